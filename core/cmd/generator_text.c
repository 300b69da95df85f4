/* generator_text - see generator_text.h. */
#include "cmd/generator_text.h"

#include <stddef.h>

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

const struct script scripts[] = {
	{ "en", "order_late", "how_to_guidance", "P3", "negative", "impatient", "orders", "ops", "support", SCRIPT_SIMPLE, 12,
	  "Where is order {order}?",
	  { "C:Hi, my order {order} was meant to be here on {day}. The tracking page has not moved for days, where is it?|Hello, where is "
	    "order {order}? It says out for delivery since {day}.|Order {order} is late again. Can somebody look into it please?",
	    "A:Hi {name}, {agent} here. I can see {order} in our system; the parcel is held at the depot in {city}. I am calling them now.|"
	    "Sorry about the wait, {name}. Your {product} left us on time but missed its connection in {city}. Give me {minutes} minutes.",
	    "C:Ok, thanks. I need it before the weekend though.|Fine, but please hurry, it is a birthday present.",
	    "A:The courier confirmed: it is on the van and reaches you tomorrow before noon. I have refunded the {amount} shipping fee.",
	    "C:Perfect, thank you {agent}!|Great, that is all I needed.", NULL } },
	{ "en", "refund", "transaction_system_failure", "P2", "negative", "annoyed", "billing", "billing", "finance", SCRIPT_FILE, 11,
	  "Refund for {order}",
	  { "C:I sent the {product} back two weeks ago (order {order}) and still no refund of {amount}.|Charged twice for order {order}: {amount} each "
	    "time. Please return one of them.",
	    "A:Hello {name}, I am {agent}. Could you tell me when you dropped the parcel off, or send a picture of the receipt?",
	    "C:It was {day}, at the shop in {city}. I can send you the slip.|Picture attached. Reference is {code}.",
	    "A:Thank you. The return is booked now and {amount} goes back to the card you paid with; banks take two to three days.",
	    "C:Alright, I will wait until {day} then.", NULL } },
	{ "en", "login", "account_access_issue", "P2", "neutral", "confused", "accounts", "technical", "engineering", SCRIPT_SIMPLE, 12,
	  "Cannot sign in",
	  { "C:I cannot log in any more. It says error {code} and the reset mail never comes.|The code from my authenticator is refused since I changed "
	    "phones. How do I get in?|Password reset loops back to the sign-in page, {code}. Help please.",
	    "A:Hi {name}, let us sort this out. Which address did you sign up with, and do you see anything in your spam folder?",
	    "C:Same address I write from. Nothing in spam, I checked twice.",
	    "A:Found it: the address was on a bounce list because the mailbox was full in the past. I removed it and sent you a fresh link, valid for "
	    "{minutes} minutes.",
	    "C:Got it, I am in. Thanks!|Works now, thank you {agent}.", NULL } },
	{ "en", "outage", "urgent_high_risk", "P0", "angry", "angry", "incidents", "technical", "infra", SCRIPT_ISSUE | SCRIPT_URGENT, 5,
	  "Everything is down",
	  { "C:{product} is down for all of us since {minutes} minutes. Every request ends with {code}. We are losing orders!|URGENT: our whole team in "
	    "{city} gets {code} from {product}. Is there an outage?",
	    "A:{name}, this is {agent}. We see it too; the on-call engineers are on it. I will write to you every {minutes} minutes until it is over.",
	    "C:What am I supposed to tell my customers? This is the second time this month.",
	    "A:I understand. A faulty change to the load balancers is being rolled back right now; most regions answer again.",
	    "C:It is coming back for us. I expect a proper report.|Looks better, still slow in {city}.", NULL } },
	{ "en", "invoice", "how_to_guidance", "P3", "neutral", "calm", "billing", "billing", "finance", SCRIPT_SIMPLE, 9,
	  "Invoice {invoice}",
	  { "C:Our invoice {invoice} shows the old company address. Can you issue a corrected one?|Could you send invoice {invoice} again, with our VAT "
	    "number on it? Amount was {amount}.",
	    "A:Of course, {name}. What should stand on it?", "C:Same name, new street in {city}, the rest stays.",
	    "A:Done: the corrected {invoice} is in your account under Billing, and a copy is on its way to you by mail.",
	    "C:Received, many thanks.", NULL } },
	{ "en", "bug_export", "bug_technical_defect", "P1", "negative", "frustrated", "technical", "technical", "engineering",
	  SCRIPT_ISSUE | SCRIPT_FILE, 8, "Export misses rows",
	  { "C:The export of {product} leaves out every row after the first thousand. It worked until {day}.|When I filter by {city} the totals in {product} are "
	    "wrong. Sum says {amount}, should be ten times that.",
	    "A:Thanks for the exact description, {name}. Could you tell me which browser you use and add a screenshot?",
	    "C:Latest Firefox on Linux, but my colleague has the same in Chrome. Screenshot is attached.",
	    "A:I can reproduce it here. I am opening an issue with our engineers and keep this conversation tied to it.",
	    "C:Good. Please tell me as soon as there is a fix, our month ends on {day}.", NULL } },
	{ "en", "app_crash", "bug_technical_defect", "P1", "negative", "frustrated", "technical", "technical", "engineering",
	  SCRIPT_ISSUE | SCRIPT_URGENT, 6, "App closes by itself",
	  { "C:Since the update on {day} the app closes as soon as I open {product}. Phone restarted, app reinstalled, same thing.|App crashes with {code} when "
	    "I tap on pay.",
	    "B:I am sorry to hear that, {name}. Please update to the newest version in your store and clear the cache under Settings. Does it still happen?",
	    "C:Yes, it still happens. Can I talk to a person?", "A:Hi {name}, {agent} from the technical team. I see the crash report that belongs to {code}; "
	    "it hits everybody with more than one address saved.", "C:Ok, at least it is not my phone. How long?", NULL } },
	{ "en", "change_address", "how_to_guidance", "P3", "positive", "calm", "orders", "ops", "support", SCRIPT_SIMPLE, 8,
	  "New delivery address",
	  { "C:Hello! Can I still change the delivery address of {order}? We are moving to {city} on {day}.",
	    "B:Hello {name}! Order {order} has not left the warehouse yet, so you can change the address under My orders. Shall I do it for you?",
	    "C:Yes please, the new one is in my profile already.", "B:Done. {order} goes to your new address in {city} now. Anything else?",
	    "C:No, that was easy. Thanks!", NULL } },
	{ "en", "payment_declined", "transaction_system_failure", "P1", "negative", "worried", "billing", "technical", "finance",
	  SCRIPT_URGENT | SCRIPT_ISSUE, 7, "Payment fails",
	  { "C:My card is declined at checkout with {code}, but the bank says {amount} was taken.|Three times {amount} reserved on my card, no order. What is "
	    "going on?",
	    "A:I see three attempts from {city}, {name}. None was captured, so the bank lets them go by itself. Would you try another way to pay meanwhile?",
	    "C:I do not have another card. I need the {product} by {day}.",
	    "A:I have reserved a {product} for you and sent a payment link that avoids the fault. It stays open for a day.",
	    "C:That worked. The reservations are still there, though.|Paid. Thanks for being quick.", NULL } },
	{ "en", "feature_question", "how_to_guidance", "P3", "positive", "curious", "technical", "other", "product", SCRIPT_SIMPLE, 9,
	  "How do I share {product}?",
	  { "C:Is there a way to share {product} with a colleague without giving them my password?|Can {product} send me a weekly report by mail?",
	    "B:Yes! Open Settings, then People, and invite them by mail; they get their own login.|Yes, under Reports you can choose weekly and the day.",
	    "C:Found it. Does it cost extra?", "B:No, up to five people are part of your plan.", "C:Lovely, thank you.", NULL } },
	{ "en", "complaint", "noise_low_intent", "P2", "angry", "angry", "orders", "ops", "support", SCRIPT_RUDE, 3, "Worst service ever",
	  { "C:Worst company ever. I will never order a {product} again.|You people are useless. Third {product} that breaks within a week.",
	    "A:I am sorry that it went this way, {name}. I would like to make it right: a replacement, or the {amount} back?",
	    "C:Keep it. I will tell everybody in {city} about you.", NULL } },
	{ "en", "security", "urgent_high_risk", "P0", "negative", "worried", "security", "security", "security",
	  SCRIPT_ISSUE | SCRIPT_URGENT, 2, "Somebody else is in my account",
	  { "C:I got a mail about a login from {city} and an order {order} that is not mine. Please stop it!",
	    "A:{name}, I have locked the account and stopped {order}. Please do not use the link in that mail; is {code} the code you were sent?",
	    "C:Yes, that one. I did not type it in anywhere.", "A:Good. You get a new link by post, and our security team looks at where the login came from.",
	    "C:Thank you for reacting so fast.", NULL } },
	{ "es", "pedido_tarde", "how_to_guidance", "P2", "negative", "impaciente", "orders", "ops", "support", 0, 5, "¿Dónde está mi pedido {order}?",
	  { "C:Hola, mi pedido {order} tenía que llegar el {day} y todavía no sé nada. ¿Me pueden ayudar?|Buenas, llevo una semana esperando {product}. ¿Qué pasa?",
	    "A:Hola {name}, soy {agent}. El paquete está en {city} y sale hoy a reparto; disculpe la espera.",
	    "C:Vale, muchas gracias. ¿A qué hora más o menos?", "A:Entre las diez y las dos. Le he devuelto los gastos de envío, {amount}.",
	    "C:Perfecto, gracias.", NULL } },
	{ "es", "factura", "how_to_guidance", "P3", "neutral", "calm", "billing", "billing", "finance", SCRIPT_SIMPLE, 3, "Factura {invoice}",
	  { "C:Necesito la factura {invoice} a nombre de mi empresa, por favor.", "A:Claro, {name}. ¿Me confirma el NIF y la dirección en {city}?",
	    "C:Están en mi perfil.", "A:Listo, la tiene en su cuenta.", NULL } },
	{ "de", "rechnung", "how_to_guidance", "P3", "neutral", "calm", "billing", "billing", "finance", SCRIPT_SIMPLE, 4, "Rechnung {invoice}",
	  { "C:Guten Tag, auf der Rechnung {invoice} fehlt unsere Umsatzsteuernummer. Können Sie das ändern?",
	    "A:Guten Tag {name}, gern. Die korrigierte Rechnung über {amount} liegt in {minutes} Minuten in Ihrem Konto.",
	    "C:Vielen Dank, ist angekommen.", NULL } },
	{ "de", "lieferung", "how_to_guidance", "P2", "negative", "ungeduldig", "orders", "ops", "support", SCRIPT_FILE, 4, "Lieferung {order} beschädigt",
	  { "C:Das Paket zu {order} kam völlig zerdrückt an, {product} ist zerkratzt. Foto hängt an.",
	    "A:Das tut mir leid, {name}. Ersatz geht heute noch ab {city} raus; das beschädigte Stück holt der Bote am {day} ab.",
	    "C:Danke, das ging ja schnell.", NULL } },
	{ "fr", "remboursement", "transaction_system_failure", "P2", "negative", "agacé", "billing", "billing", "finance", SCRIPT_FILE, 4, "Remboursement {order}",
	  { "C:Bonjour, j’attends toujours le remboursement de {amount} pour la commande {order}.",
	    "A:Bonjour {name}, ici {agent}. Le retour est bien arrivé à {city} ; le virement part aujourd’hui.",
	    "C:Merci beaucoup, bonne journée !", NULL } },
	{ "pt", "acesso", "account_access_issue", "P2", "neutral", "confuso", "accounts", "technical", "engineering", SCRIPT_SIMPLE, 4, "Não consigo entrar",
	  { "C:Oi, não consigo entrar na minha conta, aparece o erro {code}.", "A:Oi {name}! Enviei um novo link, vale por {minutes} minutos. Pode tentar?",
	    "C:Funcionou, obrigado!", NULL } },
	{ "it", "ordine", "how_to_guidance", "P3", "neutral", "calm", "orders", "ops", "support", 0, 3, "Ordine {order}",
	  { "C:Salve, posso ancora annullare l’ordine {order}? Ho sbagliato taglia.", "A:Certo {name}, annullato. I {amount} tornano sulla carta entro {day}.",
	    "C:Gentilissimi, grazie.", NULL } },
	{ "tr", "iade", "how_to_guidance", "P3", "neutral", "calm", "orders", "ops", "support", 0, 2, "{order} iade",
	  { "C:Merhaba, {product} ürününü iade etmek istiyorum. Sipariş {order}.", "A:Merhaba {name}, iade kodunuz {code}. {city} şubesine bırakabilirsiniz.",
	    "C:Teşekkürler, kolay gelsin.", NULL } },
	{ "ja", "login_ja", "account_access_issue", "P2", "neutral", "confused", "accounts", "technical", "engineering", 0, 2, "ログインできません",
	  { "C:お世話になります。{code} と表示されてログインできません。", "A:{name} 様、ご連絡ありがとうございます。再設定用のリンクをお送りしました。",
	    "C:入れました。ありがとうございます。", NULL } },
	{ "ar", "delivery_ar", "how_to_guidance", "P2", "negative", "impatient", "orders", "ops", "support", 0, 1, "أين طلبي {order}؟",
	  { "C:السلام عليكم، الطلب {order} لم يصل حتى الآن.", "A:وعليكم السلام {name}، الطلب في الطريق ويصل {day}.", "C:شكرا جزيلا.", NULL } },
};
const int script_count = COUNT(scripts);

const struct script_fix script_fixes[] = {
	{ "an index was missing after the last migration and queries timed out", "database", "orders-db", "added the index and raised an alarm on slow queries" },
	{ "a faulty health check took two load balancers out of service", "configuration", "edge", "rolled the change back and added a canary stage" },
	{ "the exporter stopped at the page size of the storage service", "code", "exports", "the exporter follows the continuation token now" },
	{ "a certificate of the payment provider was not renewed in our trust store", "third_party", "payments", "renewed the store and watch expiry dates" },
	{ "the app kept a list of addresses in a field of fixed size", "code", "mobile", "the list grows as needed; version 7.4.1 is in the stores" },
	{ "a leaked password list was tried against our sign-in", "security", "identity", "forced resets for the accounts concerned and rate limits by address" },
};
const int script_fix_count = COUNT(script_fixes);

const struct tenant_profile tenant_profiles[] = {
	{ "Northwind Outdoor", "northwind-outdoor", "Europe/Oslo", "en", "premium", { "rain jacket", "trail tent", "head lamp", "hiking boots", "camp stove", "dry bag" } },
	{ "Lumen Bank", "lumen-bank", "Europe/Madrid", "es", "enterprise", { "debit card", "savings account", "mobile app", "business account", "transfer", "loan" } },
	{ "Kite Mobile", "kite-mobile", "America/New_York", "en", "enterprise", { "SIM card", "data plan", "voice mail", "roaming pass", "router", "eSIM" } },
	{ "Paperboat Books", "paperboat-books", "Europe/London", "en", "standard", { "gift card", "audio book", "subscription", "cookbook", "reading lamp", "atlas" } },
	{ "Sable Cloud", "sable-cloud", "Europe/Berlin", "de", "enterprise", { "Sable Compute", "Sable Storage", "the console", "the API", "the load balancer", "Sable DNS" } },
	{ "Casa Verde", "casa-verde", "America/Sao_Paulo", "pt", "standard", { "plant box", "watering can", "olive tree", "garden chair", "seed set", "lantern" } },
	{ "Tandem Rail", "tandem-rail", "Europe/Paris", "fr", "premium", { "season ticket", "seat reservation", "bike ticket", "the timetable app", "night train", "rail pass" } },
	{ "Orchard Health", "orchard-health", "America/Chicago", "en", "premium", { "appointment", "lab report", "the patient portal", "prescription", "video visit", "referral" } },
	{ "Fable Games", "fable-games", "Asia/Tokyo", "ja", "standard", { "season pass", "starter pack", "cloud save", "the launcher", "gift code", "skin" } },
	{ "Harbor Freight Lines", "harbor-freight", "Asia/Singapore", "en", "enterprise", { "container", "customs form", "the tracking portal", "pallet", "pickup", "bill of lading" } },
	{ "Pixel & Thread", "pixel-and-thread", "Europe/Rome", "it", "standard", { "linen shirt", "wool scarf", "gift wrap", "sneakers", "denim jacket", "tote bag" } },
	{ "Bright Meter", "bright-meter", "Europe/Istanbul", "tr", "standard", { "smart meter", "tariff", "solar panel", "wall box", "the usage page", "meter reading" } },
};
const int tenant_profile_count = COUNT(tenant_profiles);

const char *const first_names[] = {
	"Ada", "Amir", "Ana", "Anika", "Aylin", "Ben", "Camille", "Carlos", "Chloe", "Daniel", "Elena", "Emre", "Eva", "Felix", "Fatima", "Giulia",
	"Grace", "Hana", "Hugo", "Ines", "Ivan", "Jamal", "Joana", "Jonas", "Kaito", "Karin", "Lars", "Layla", "Leo", "Lina", "Luca", "Lucia", "Maja",
	"Marco", "Maria", "Mateo", "Mei", "Mia", "Milan", "Nadia", "Nia", "Noah", "Nora", "Olga", "Oscar", "Paula", "Pedro", "Priya", "Rafael", "Ravi",
	"Rosa", "Sam", "Sara", "Sofia", "Theo", "Tomás", "Uma", "Vera", "Victor", "Wei", "Yara", "Yusuf", "Zoë", "Søren",
};
const int first_name_count = COUNT(first_names);
const char *const last_names[] = {
	"Adeyemi", "Almeida", "Andersen", "Bauer", "Bianchi", "Castillo", "Chen", "Costa", "Demir", "Dubois", "Evans", "Fischer", "García", "Haddad",
	"Hansen", "Ito", "Jansen", "Kaya", "Khan", "Kowalski", "Larsen", "Lopez", "Martin", "Meyer", "Moreau", "Müller", "Nakamura", "Novak", "Okafor",
	"Olsen", "Patel", "Pereira", "Petrov", "Popescu", "Reed", "Ricci", "Rossi", "Santos", "Schmidt", "Silva", "Singh", "Sokolov", "Tanaka", "Torres",
	"Varga", "Walker", "Weber", "Yılmaz",
};
const int last_name_count = COUNT(last_names);
const char *const cities[] = { "Porto", "Leipzig", "Lyon", "Bergen", "Austin", "Kyoto", "Izmir", "Turin", "Valencia", "Leeds", "Recife", "Utrecht",
			       "Gdańsk", "Pune", "Malmö", "Toronto" };
const int city_count = COUNT(cities);
const char *const days[] = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "the 3rd", "the 12th", "the 21st", "the 30th" };
const int day_count = COUNT(days);
const char *const notes[] = {
	"Called the depot in {city}, they will check by hand.", "Customer was friendly but is under time pressure.",
	"Same as {code} last week, see the thread in the team channel.", "Promised a call back within {minutes} minutes.",
	"Second contact about {order} this month. Please handle with care.", "Waiting for finance to confirm {amount}.",
	"Reproduced with a test account, steps are in the issue.", "If they write again: goodwill voucher of {amount} is approved.",
};
const int note_count = COUNT(notes);
const char *const comments_good[] = { "Quick and friendly.", "Solved in one go, thank you!", "{agent} was great.", "Muy amable.", "Schnell geholfen, danke.",
				      "Better than the phone line.", "Top!" };
const int comment_good_count = COUNT(comments_good);
const char *const comments_bad[] = { "Took far too long.", "I had to explain it three times.", "Not really solved.", "Still waiting for {amount}.",
				     "Nobody reads what I write." };
const int comment_bad_count = COUNT(comments_bad);
const char *const thanks[] = { "Sorry, it is back again: {code}.", "I thought it was fixed, but {order} still shows the same.",
			       "One more question: does this also hold for {product}?", "It happened again this morning in {city}.",
			       "The {amount} did not arrive after all." };
const int thank_count = COUNT(thanks);
