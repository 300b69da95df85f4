/*
 * rowbyrow - a projection as it is first written: read an event, write its row, wait, next event.
 *
 *   node rowbyrow.js 'host=/socket/folder port=5432 dbname=verbatim user=postgres' 3000
 *
 * Speaks PostgreSQL's simple protocol itself, so that nothing but Node.js is needed; a private cluster asks for no
 * password.  One JSON line comes out:  {"events":3000,"seconds":1.0,"events_per_second":3000}
 *
 * Source: PostgreSQL's manual, "Message Formats".
 */
'use strict';
const net = require('net');

const target = Object.fromEntries(process.argv[2].split(' ').filter(Boolean).map((word) => word.split('=')));
const most = Number(process.argv[3]);

class Session {
	constructor(socket) {
		this.socket = socket;
		this.rest = Buffer.alloc(0);
		this.rows = [];
		socket.on('data', (data) => this.take(data));
	}

	/* type (1), length (4, itself included), body */
	take(data) {
		this.rest = Buffer.concat([this.rest, data]);
		while (this.rest.length >= 5 && this.rest.length > this.rest.readInt32BE(1)) {
			const type = String.fromCharCode(this.rest[0]), end = 1 + this.rest.readInt32BE(1);
			const body = this.rest.subarray(5, end);

			this.rest = this.rest.subarray(end);
			if (type === 'D')
				this.rows.push(Session.row(body));
			else if (type === 'E')
				throw new Error(body.toString());
			else if (type === 'Z')
				this.ready(this.rows.splice(0));
		}
	}

	static row(body) {
		const values = [];
		let at = 2;

		for (let left = body.readInt16BE(0); left > 0; left--) {
			const length = body.readInt32BE(at);

			values.push(length < 0 ? null : body.toString('utf8', at + 4, at + 4 + length));
			at += 4 + Math.max(length, 0);
		}
		return values;
	}

	start() {
		const words = Buffer.from(`user\0${target.user}\0database\0${target.dbname}\0\0`), head = Buffer.alloc(8);

		head.writeInt32BE(8 + words.length, 0);
		head.writeInt32BE(3 << 16, 4);
		return this.send(Buffer.concat([head, words]));
	}

	query(sql) {
		const words = Buffer.from(sql + '\0'), head = Buffer.alloc(5);

		head.write('Q');
		head.writeInt32BE(4 + words.length, 1);
		return this.send(Buffer.concat([head, words]));
	}

	send(bytes) {
		return new Promise((resolve) => {
			this.ready = resolve;
			this.socket.write(bytes);
		});
	}
}

async function main() {
	const session = new Session(net.connect(`${target.host}/.s.PGSQL.${target.port}`));

	await session.start();
	const began = process.hrtime.bigint();
	const events = await session.query('SELECT tenant_id, conversation_id, occurred_at FROM verbatim.event_log' +
		` WHERE shard = 1 AND conversation_id IS NOT NULL ORDER BY position LIMIT ${most}`);

	for (const [tenant, id, at] of events)
		await session.query(`INSERT INTO bench_rows AS b VALUES ('${tenant}', '${id}', 1, '${at}') ON CONFLICT (id, tenant_id)` +
			' DO UPDATE SET message_count = b.message_count + 1, last_message_at = greatest(b.last_message_at, excluded.last_message_at)');
	const seconds = Number(process.hrtime.bigint() - began) / 1e9;

	console.log(JSON.stringify({ events: events.length, seconds, events_per_second: events.length / seconds }));
	session.socket.end();
}

main();
