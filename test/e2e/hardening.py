#!/usr/bin/python3
"""hardening - what was asked of the compiler is in the binaries, what is banned does not compile, and the unit is tight."""
import os
import resource
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

sanitized = "san" in BUILD
compiler = os.environ.get("CC", "cc").split()[-1]

# ---- the binaries ----

for name in ("verbatim", "verbatim-verify"):
    path = os.path.join(ROOT, BUILD, name)
    if not shutil.which("readelf"):
        ok(True, name + " # SKIP readelf (binutils) is not installed")
        continue

    def readelf(*args):
        return subprocess.run(["readelf", "-W", *args, path], stdout=subprocess.PIPE, text=True).stdout

    segments, dynamic, symbols = readelf("-hl"), readelf("-d"), readelf("-s")
    ok("DYN (" in segments, name + ": position-independent")
    ok("GNU_RELRO" in segments and ("BIND_NOW" in dynamic or "NOW" in dynamic), name + ": relocations are read-only, all of them at the start")
    stack = next((line for line in segments.splitlines() if "GNU_STACK" in line), "")
    ok(stack and "RWE" not in stack and not any("RWE" in line for line in segments.splitlines()), name + ": no memory is both written and run")
    if os.path.basename(BUILD) == "build":
        ok("__stack_chk_fail" in symbols, name + ": stack protector")
        ok("_chk@" in symbols or "_chk" in symbols.replace("__stack_chk_fail", ""), name + ": _FORTIFY_SOURCE")

# ---- what is banned ----

banned = {
    "strcpy": "strcpy(a, b)", "strcat": "strcat(a, b)", "strncpy": "strncpy(a, b, 4)", "strncat": "strncat(a, b, 4)",
    "sprintf": 'sprintf(a, "%s", b)', "vsprintf": "vsprintf(a, b, 0)", "strtok": "strtok(a, b)", "gets": "gets(a)",
    "system": "system(b)", "popen": 'popen(b, "r")', "mktemp": "mktemp(a)", "tmpnam": "tmpnam(a)", "alloca": "alloca(4)",
    "rand": "rand()", "gmtime": "gmtime(0)", "localtime": "localtime(0)", "ctime": "ctime(0)", "asctime": "asctime(0)",
}


def compiles(statement):
    text = "#include <alloca.h>\n#include <stdarg.h>\nvoid f(char *a, const char *b);\nvoid f(char *a, const char *b) { (void)(%s); (void)a; (void)b; }\n"
    made = subprocess.run([compiler, "-std=c11", "-D_GNU_SOURCE", "-include", os.path.join(ROOT, "core", "base", "banned.h"), "-x", "c", "-c",
                           "-o", "/dev/null", "-"], input=text % statement, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return made.returncode == 0, made.stdout


ok(compiles("strlen(b)")[0], "what is not banned compiles")
for name, statement in banned.items():
    fine, said = compiles(statement)
    ok(not fine and "sorry_%s_is_not_to_be_used_here" % name in said, name + "() is a compile error, by name")
with open(os.path.join(ROOT, "Makefile")) as f:
    ok("-include core/base/banned.h" in f.read(), "and the header is before every file")

# ---- the unit ----

folder = temporary_folder()
made = subprocess.run(["make", "-s", "-C", ROOT, "install", "PREFIX=" + folder] + (["MODE=" + os.path.basename(BUILD)] if BUILD != "build" else []),
                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
unit = os.path.join(folder, "lib", "systemd", "system", "verbatim.service")
ok(made.returncode == 0 and os.path.exists(unit), "the unit is installed " + made.stdout[-200:])
with open(unit) as f:
    text = f.read()
ok("@" not in text.replace("@system-service", "").replace("@privileged", "") and folder + "/bin/verbatim serve" in text, "and names what was installed")
if shutil.which("systemd-analyze"):
    said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if "Unknown" in said.stdout or "unrecognized" in said.stdout:
        ok(True, "systemd-analyze security # SKIP it is too old")
    else:
        ok(said.returncode == 0, "systemd-analyze security: " + (said.stdout.strip().splitlines() or ["nothing"])[-1])
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wrong = [line for line in said.stdout.splitlines() if "verbatim.service" in line]
    same(wrong, [], "systemd-analyze verify finds nothing")
else:
    ok(True, "systemd-analyze # SKIP it is not installed")

# ---- core files ----

if sanitized:
    ok(True, "core files # SKIP sanitizers keep signals to themselves")
else:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    os.chdir(temporary_folder())

    def crash(*args):
        engine = Engine(args=args)
        os.kill(engine.process.pid, signal.SIGSEGV)
        status = os.waitpid(engine.process.pid, 0)[1]
        engine.process.returncode = -signal.SIGSEGV
        engine.end()
        return os.WTERMSIG(status), os.WCOREDUMP(status)

    same(crash(), (signal.SIGSEGV, False), "a crash leaves no core file, whatever the limit")
    ok(True, "with --core-dumps it does" + ("" if crash("--core-dumps")[1] else " # SKIP this machine makes none at all"))
done()
