// The story of ../README.md, told by node-redis: HOST PORT PROTOCOL T.

import { createClient, ErrorReply } from 'redis';
import { ask, expect, expectError, host, items, metric, port, protocol, repeats, stream, t, tell } from '../javascript/tell.mjs';

// It never sends a command twice by itself: what was under way when the connection was lost is an error.
const r = createClient({ socket: { host, port, reconnectStrategy: 20 }, RESP: protocol });
r.on('error', () => {}); // a lost connection; it connects again by itself
await r.connect();

const point = (at, value) => ({ timestamp: at, value });
const three = [point(t, 20.5), point(t + 1000, 21.5), point(t + 2000, 22.5)];
const temp = (room) => ({ RETENTION: 86400000, DUPLICATE_POLICY: 'LAST', LABELS: { kind: 'temp', room } });
const words = (...all) => r.sendCommand(all.map(String));
const column = (header, name) => header.map(String).indexOf(name);

const steps = {
    async connect() {
        expect(await r.ping(), 'PONG');
        expect(await r.echo('hello'), 'hello');
    },
    async protocol() {
        expect(String(await words('CLIENT', 'INFO')).includes(` resp=${protocol}`), true);
    },
    async create() {
        expect(await r.ts.create('story:temp:1', temp('a')), 'OK');
        expect(await r.ts.create('story:temp:2', temp('b')), 'OK');
    },
    async 'create-twice'() {
        await expectError(r.ts.create('story:temp:1'), 'key already exists');
    },
    async add() {
        expect(await r.ts.add('story:temp:1', t, 20.5), t);
        expect(await r.ts.add('story:temp:1', t + 1000, 21.5), t + 1000);
    },
    async 'add-now'() {
        expect(Math.abs((await r.ts.add('story:now', '*', 1)) - Date.now()) < 60000, true);
    },
    async 'add-declares'() {
        expect(await r.ts.add('story:hum:1', t, 40, { LABELS: { kind: 'hum', room: 'a' } }), t);
    },
    async madd() {
        expect(await r.ts.mAdd([{ key: 'story:temp:1', timestamp: t + 2000, value: 22.5 },
            { key: 'story:temp:2', timestamp: t, value: 10.5 },
            { key: 'story:temp:2', timestamp: t + 60000, value: 11.5 }]), [t + 2000, t, t + 60000]);
    },
    async 'madd-part'() {
        // mAdd takes numbers only, so this one is asked in words.
        const [first, second] = await words('TS.MADD', 'story:temp:2', t + 61000, 12.5, 'story:temp:2', t + 62000, 'abc');
        expect([first, second instanceof ErrorReply], [t + 61000, true]);
    },
    async get() {
        expect(await r.ts.get('story:temp:1'), point(t + 2000, 22.5));
    },
    async 'get-missing'() {
        await expectError(r.ts.get('story:none'), 'the key does not exist');
    },
    async range() {
        expect(await r.ts.range('story:temp:1', '-', '+'), three);
    },
    async 'range-count'() {
        expect(await r.ts.range('story:temp:1', '-', '+', { COUNT: 2 }), three.slice(0, 2));
    },
    async 'range-value'() {
        expect(await r.ts.range('story:temp:1', '-', '+', { FILTER_BY_VALUE: { min: 21, max: 22 } }), [three[1]]);
    },
    async 'range-buckets'() {
        expect(await r.ts.range('story:temp:2', '-', '+', { AGGREGATION: { type: 'AVG', timeBucket: 60000 } }),
            [point(t, 10.5), point(t + 60000, 12)]);
    },
    async revrange() {
        expect(await r.ts.revRange('story:temp:1', '-', '+'), three.toReversed());
    },
    async mget() {
        expect(await r.ts.mGet('kind=temp'), { 'story:temp:1': { sample: point(t + 2000, 22.5) },
            'story:temp:2': { sample: point(t + 61000, 12.5) } });
    },
    async mrange() {
        expect(await r.ts.mRange(t, t + 59999, 'kind=temp'), { 'story:temp:1': three, 'story:temp:2': [point(t, 10.5)] });
    },
    async 'mrange-group'() {
        const groups = await r.ts.mRangeGroupBy(t, t + 59999, 'kind=temp', { label: 'kind', REDUCE: 'MAX' });
        expect(Object.keys(groups), ['kind=temp']);
        expect(groups['kind=temp'].samples, three);
    },
    async queryindex() {
        expect([...(await r.ts.queryIndex('kind=temp'))].sort(), ['story:temp:1', 'story:temp:2']);
    },
    async info() {
        const info = await r.ts.info('story:temp:1');
        const labels = Array.isArray(info.labels) ? Object.fromEntries(info.labels.map((l) => [l.name, l.value])) : info.labels;
        expect([info.totalSamples, info.retentionTime, labels.room], [3, 86400000, 'a']);
    },
    async alter() {
        expect(await r.ts.alter('story:temp:1', { LABELS: { kind: 'temp', room: 'c' } }), 'OK');
        expect([...(await r.ts.queryIndex('room=c'))], ['story:temp:1']);
    },
    async incrby() {
        expect(await r.ts.incrBy('story:level', 2, { TIMESTAMP: t }), t);
        expect(await r.ts.incrBy('story:level', 3, { TIMESTAMP: t + 1000 }), t + 1000);
        expect(await r.ts.decrBy('story:level', 1, { TIMESTAMP: t + 2000 }), t + 2000);
        expect(await r.ts.get('story:level'), point(t + 2000, 4));
    },
    async block() {
        expect(await r.ts.create('story:block', { DUPLICATE_POLICY: 'BLOCK' }), 'OK');
        expect(await r.ts.add('story:block', t, 1), t);
        await expectError(r.ts.add('story:block', t, 2), 'DUPLICATE_POLICY');
        expect(await r.ts.get('story:block'), point(t, 1));
    },
    async ignore() {
        const options = { DUPLICATE_POLICY: 'LAST', IGNORE: { maxTimeDiff: 10000, maxValDiff: 1 } };
        expect(await r.ts.create('story:calm', options), 'OK');
        expect(await r.ts.add('story:calm', t, 1), t);
        expect(await r.ts.add('story:calm', t + 1000, 1.5), t);
    },
    async del() {
        expect(await r.ts.del('story:temp:2', t + 61000, t + 61000), 1);
    },
    async rule() {
        expect(await r.ts.create('story:raw'), 'OK');
        expect(await r.ts.create('story:avg'), 'OK');
        expect(await r.ts.createRule('story:raw', 'story:avg', 'AVG', 60000), 'OK');
        for (const [at, value] of [[t, 1], [t + 1000, 3], [t + 60000, 10]]) expect(await r.ts.add('story:raw', at, value), at);
        expect(await r.ts.range('story:avg', '-', '+'), [point(t, 2)]);
        expect(await r.ts.deleteRule('story:raw', 'story:avg'), 'OK');
    },
    async observe() {
        const receipt = await words('OBSERVE', 'story1', t / 1000, metric(items[0]), 600, metric(items[1]), 300, metric(items[2]), 100);
        expect(/^\d+:\d+$/.test(receipt), true);
    },
    async topq() {
        const rows = await words('TOPQ', t / 1000, t / 1000 + 60, 'host.queries.q.*.time_us', 'LIMIT', 2, 'FORMAT', 'flat');
        const item = column(rows[0], 'item'), value = column(rows[0], 'time_us');
        expect(rows.slice(1).map((row) => Number(row[value])), [600, 300, 100, 1000]);
        expect(rows.slice(1, 3).map((row) => row[item]), items.slice(0, 2));
    },
    async draw() {
        const rows = await words('RANGE', t / 1000, t / 1000 + 1, 'STEP', 1, 'FORMAT', 'flat', 'KEYS', `story1/${metric(items[0])}`);
        expect(rows.length, 2);
        expect(rows[1].slice(0, 2).map(Number), [t / 1000, 600]);
    },
    async errors() {
        await expectError(words('NOSUCH'), 'unknown command');
        await expectError(words('TS.ADD', 'story:temp:1'), 'wrong number of arguments');
        await expectError(words('TS.ADD', 'story:temp:1', t, 'abc'), 'invalid value');
        await expectError(words('TS.ADD', 'story:temp:1', 'when', 1), 'invalid timestamp');
        expect(await r.ping(), 'PONG');
    },
    async pipeline() {
        // Commands that are not awaited one by one share a write: its way to pipeline.
        const replies = await Promise.allSettled(Array.from({ length: 101 },
            (_, i) => words('TS.ADD', 'story:pipe', t + i * 1000, i === 50 ? 'x' : i)));
        expect(replies.map((reply, i) => (i === 50 ? reply.reason instanceof ErrorReply : reply.value)),
            replies.map((_, i) => (i === 50 ? true : t + i * 1000)));
        expect(replies.length, 101);
        expect((await r.ts.range('story:pipe', '-', '+')).length, 100);
    },
    async transaction() {
        expect(await r.multi().ts.add('story:tx', t, 1).ts.add('story:tx', t + 1000, 2).exec(), [t, t + 1000]);
    },
    async keys() {
        expect(await r.exists('story:temp:1'), 1);
        expect(await r.type('story:temp:1'), 'TSDB-TYPE');
        const keys = [];
        for await (const page of r.scanIterator({ MATCH: 'story:temp:*' })) keys.push(...page);
        expect(keys.sort(), ['story:temp:1', 'story:temp:2']);
    },
    async drop() {
        expect(await r.del('story:hum:1'), 1);
        expect(await r.exists('story:hum:1'), 0);
    },
    async restart() {
        await ask('restart');
        expect(await untilAnswered(() => r.ts.get('story:temp:1')), point(t + 2000, 22.5));
        expect(await r.ts.add('story:restart', t, 1), t);
    },
};

const { untilAnswered, onceStored } = repeats((error) => error instanceof ErrorReply, (key, at) => r.ts.range(key, at, at));

await tell(steps);
await stream({
    add: async (i, at) => expect(await untilAnswered(() => r.ts.add('story:stream:add', at, i)), at),
    sum: async (i, at) => expect(await onceStored('story:stream:sum', at,
        () => r.ts.add('story:stream:sum', at, i + 1, { ON_DUPLICATE: 'SUM' })), at),
    count: async (i, at) => expect(await onceStored('story:stream:count', at,
        () => r.ts.incrBy('story:stream:count', 1, { TIMESTAMP: at })), at),
});
r.destroy();
process.exit(0);
