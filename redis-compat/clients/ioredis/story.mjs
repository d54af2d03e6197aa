// The story of ../README.md, told by ioredis: HOST PORT PROTOCOL T. It knows no TS.*, so these are words.

import { Redis, ReplyError } from 'ioredis';
import { ask, expect, expectError, host, items, metric, port, protocol, repeats, stream, t, tell } from '../javascript/tell.mjs';

const options = { host, port, protocol, retryStrategy: () => 20 };
const r = new Redis({ ...options, maxRetriesPerRequest: null }); // sends again what had no answer
const once = new Redis({ ...options, maxRetriesPerRequest: 0 }); // never does
for (const client of [r, once]) client.on('error', () => {}); // a lost connection; it connects again by itself

const ts = (command, ...words) => r.call(`TS.${command}`, ...words);
const point = ([at, value]) => [at, Number(value)];
const points = (reply) => reply.map(point);
const three = [[t, 20.5], [t + 1000, 21.5], [t + 2000, 22.5]];
const column = (header, name) => header.map(String).indexOf(name);

/** { name: value } of a map: an object or Map of RESP3, or names and values in turn. */
function fields(reply) {
    if (reply instanceof Map) return Object.fromEntries(reply);
    if (!Array.isArray(reply)) return reply;
    return Object.fromEntries(reply.flatMap((name, i) => (i % 2 ? [] : [[String(name), reply[i + 1]]])));
}

/** { key: last element of its row } of TS.MGET and TS.MRANGE: rows in RESP2, a map in RESP3. */
function rows(reply) {
    if (protocol === 2) return Object.fromEntries(reply.map((row) => [row[0], row.at(-1)]));
    return Object.fromEntries(Object.entries(fields(reply)).map(([key, row]) => [key, row.at(-1)]));
}

const labels = (reply) => (Array.isArray(reply) && Array.isArray(reply[0]) ? Object.fromEntries(reply) : fields(reply));

const steps = {
    async connect() {
        expect(await r.ping(), 'PONG');
        expect(await r.echo('hello'), 'hello');
    },
    async protocol() {
        expect(String(await r.client('INFO')).includes(` resp=${protocol}`), true);
    },
    async create() {
        for (const [key, room] of [['story:temp:1', 'a'], ['story:temp:2', 'b']])
            expect(await ts('CREATE', key, 'RETENTION', 86400000, 'DUPLICATE_POLICY', 'LAST', 'LABELS', 'kind', 'temp', 'room', room), 'OK');
    },
    async 'create-twice'() {
        await expectError(ts('CREATE', 'story:temp:1'), 'key already exists');
    },
    async add() {
        expect(await ts('ADD', 'story:temp:1', t, 20.5), t);
        expect(await ts('ADD', 'story:temp:1', t + 1000, 21.5), t + 1000);
    },
    async 'add-now'() {
        expect(Math.abs((await ts('ADD', 'story:now', '*', 1)) - Date.now()) < 60000, true);
    },
    async 'add-declares'() {
        expect(await ts('ADD', 'story:hum:1', t, 40, 'LABELS', 'kind', 'hum', 'room', 'a'), t);
    },
    async madd() {
        expect(await ts('MADD', 'story:temp:1', t + 2000, 22.5, 'story:temp:2', t, 10.5, 'story:temp:2', t + 60000, 11.5),
            [t + 2000, t, t + 60000]);
    },
    async 'madd-part'() {
        const [first, second] = await ts('MADD', 'story:temp:2', t + 61000, 12.5, 'story:temp:2', t + 62000, 'abc');
        expect([first, second instanceof Error], [t + 61000, true]);
    },
    async get() {
        expect(point(await ts('GET', 'story:temp:1')), three[2]);
    },
    async 'get-missing'() {
        await expectError(ts('GET', 'story:none'), 'the key does not exist');
    },
    async range() {
        expect(points(await ts('RANGE', 'story:temp:1', '-', '+')), three);
    },
    async 'range-count'() {
        expect(points(await ts('RANGE', 'story:temp:1', '-', '+', 'COUNT', 2)), three.slice(0, 2));
    },
    async 'range-value'() {
        expect(points(await ts('RANGE', 'story:temp:1', '-', '+', 'FILTER_BY_VALUE', 21, 22)), [three[1]]);
    },
    async 'range-buckets'() {
        expect(points(await ts('RANGE', 'story:temp:2', '-', '+', 'AGGREGATION', 'avg', 60000)), [[t, 10.5], [t + 60000, 12]]);
    },
    async revrange() {
        expect(points(await ts('REVRANGE', 'story:temp:1', '-', '+')), three.toReversed());
    },
    async mget() {
        const got = rows(await ts('MGET', 'FILTER', 'kind=temp'));
        expect(Object.fromEntries(Object.entries(got).map(([key, last]) => [key, point(last)])),
            { 'story:temp:1': three[2], 'story:temp:2': [t + 61000, 12.5] });
    },
    async mrange() {
        const got = rows(await ts('MRANGE', t, t + 59999, 'FILTER', 'kind=temp'));
        expect(Object.fromEntries(Object.entries(got).map(([key, all]) => [key, points(all)])),
            { 'story:temp:1': three, 'story:temp:2': [[t, 10.5]] });
    },
    async 'mrange-group'() {
        const got = rows(await ts('MRANGE', t, t + 59999, 'FILTER', 'kind=temp', 'GROUPBY', 'kind', 'REDUCE', 'max'));
        expect(Object.fromEntries(Object.entries(got).map(([key, all]) => [key, points(all)])), { 'kind=temp': three });
    },
    async queryindex() {
        expect([...(await ts('QUERYINDEX', 'kind=temp'))].sort(), ['story:temp:1', 'story:temp:2']);
    },
    async info() {
        const info = fields(await ts('INFO', 'story:temp:1'));
        expect([info.totalSamples, info.retentionTime, labels(info.labels).room], [3, 86400000, 'a']);
    },
    async alter() {
        expect(await ts('ALTER', 'story:temp:1', 'LABELS', 'kind', 'temp', 'room', 'c'), 'OK');
        expect([...(await ts('QUERYINDEX', 'room=c'))], ['story:temp:1']);
    },
    async incrby() {
        expect(await ts('INCRBY', 'story:level', 2, 'TIMESTAMP', t), t);
        expect(await ts('INCRBY', 'story:level', 3, 'TIMESTAMP', t + 1000), t + 1000);
        expect(await ts('DECRBY', 'story:level', 1, 'TIMESTAMP', t + 2000), t + 2000);
        expect(point(await ts('GET', 'story:level')), [t + 2000, 4]);
    },
    async block() {
        expect(await ts('CREATE', 'story:block', 'DUPLICATE_POLICY', 'BLOCK'), 'OK');
        expect(await ts('ADD', 'story:block', t, 1), t);
        await expectError(ts('ADD', 'story:block', t, 2), 'DUPLICATE_POLICY');
        expect(point(await ts('GET', 'story:block')), [t, 1]);
    },
    async ignore() {
        expect(await ts('CREATE', 'story:calm', 'DUPLICATE_POLICY', 'LAST', 'IGNORE', 10000, 1), 'OK');
        expect(await ts('ADD', 'story:calm', t, 1), t);
        expect(await ts('ADD', 'story:calm', t + 1000, 1.5), t);
    },
    async del() {
        expect(await ts('DEL', 'story:temp:2', t + 61000, t + 61000), 1);
    },
    async rule() {
        expect(await ts('CREATE', 'story:raw'), 'OK');
        expect(await ts('CREATE', 'story:avg'), 'OK');
        expect(await ts('CREATERULE', 'story:raw', 'story:avg', 'AGGREGATION', 'avg', 60000), 'OK');
        for (const [at, value] of [[t, 1], [t + 1000, 3], [t + 60000, 10]]) expect(await ts('ADD', 'story:raw', at, value), at);
        expect(points(await ts('RANGE', 'story:avg', '-', '+')), [[t, 2]]);
        expect(await ts('DELETERULE', 'story:raw', 'story:avg'), 'OK');
    },
    async observe() {
        const receipt = await r.call('OBSERVE', 'story1', t / 1000, metric(items[0]), 600, metric(items[1]), 300, metric(items[2]), 100);
        expect(/^\d+:\d+$/.test(receipt), true);
    },
    async topq() {
        const table = await r.call('TOPQ', t / 1000, t / 1000 + 60, 'host.queries.q.*.time_us', 'LIMIT', 2, 'FORMAT', 'flat');
        const item = column(table[0], 'item'), value = column(table[0], 'time_us');
        expect(table.slice(1).map((row) => Number(row[value])), [600, 300, 100, 1000]);
        expect(table.slice(1, 3).map((row) => row[item]), items.slice(0, 2));
    },
    async draw() {
        const table = await r.call('RANGE', t / 1000, t / 1000 + 1, 'STEP', 1, 'FORMAT', 'flat', 'KEYS', `story1/${metric(items[0])}`);
        expect(table.length, 2);
        expect(table[1].slice(0, 2).map(Number), [t / 1000, 600]);
    },
    async errors() {
        await expectError(r.call('NOSUCH'), 'unknown command');
        await expectError(ts('ADD', 'story:temp:1'), 'wrong number of arguments');
        await expectError(ts('ADD', 'story:temp:1', t, 'abc'), 'invalid value');
        await expectError(ts('ADD', 'story:temp:1', 'when', 1), 'invalid timestamp');
        expect(await r.ping(), 'PONG');
    },
    async pipeline() {
        const pipe = r.pipeline();
        for (let i = 0; i <= 100; i++) pipe.call('TS.ADD', 'story:pipe', t + i * 1000, i === 50 ? 'x' : i);
        const replies = await pipe.exec();
        expect(replies.map(([error, reply], i) => (i === 50 ? error instanceof ReplyError : reply)),
            replies.map((_, i) => (i === 50 ? true : t + i * 1000)));
        expect(replies.length, 101);
        expect((await ts('RANGE', 'story:pipe', '-', '+')).length, 100);
    },
    async transaction() {
        expect(await r.multi().call('TS.ADD', 'story:tx', t, 1).call('TS.ADD', 'story:tx', t + 1000, 2).exec(),
            [[null, t], [null, t + 1000]]);
    },
    async keys() {
        expect(await r.exists('story:temp:1'), 1);
        expect(await r.type('story:temp:1'), 'TSDB-TYPE');
        const keys = [];
        for await (const page of r.scanStream({ match: 'story:temp:*' })) keys.push(...page);
        expect(keys.sort(), ['story:temp:1', 'story:temp:2']);
    },
    async drop() {
        expect(await r.del('story:hum:1'), 1);
        expect(await r.exists('story:hum:1'), 0);
    },
    async restart() {
        await ask('restart');
        expect(point(await untilAnswered(() => ts('GET', 'story:temp:1'))), three[2]);
        expect(await ts('ADD', 'story:restart', t, 1), t);
    },
};

const { untilAnswered, onceStored } = repeats((error) => error instanceof ReplyError, (key, at) => ts('RANGE', key, at, at));

await tell(steps);
await stream({
    add: async (i, at) => expect(await untilAnswered(() => ts('ADD', 'story:stream:add', at, i)), at),
    sum: async (i, at) => expect(await onceStored('story:stream:sum', at,
        () => once.call('TS.ADD', 'story:stream:sum', at, i + 1, 'ON_DUPLICATE', 'SUM')), at),
    count: async (i, at) => expect(await onceStored('story:stream:count', at,
        () => once.call('TS.INCRBY', 'story:stream:count', 1, 'TIMESTAMP', at)), at),
});
r.disconnect();
once.disconnect();
process.exit(0);
