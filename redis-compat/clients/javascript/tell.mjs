// What the stories of node-redis and ioredis share: judging, the order of the steps, and the stream (../README.md).

import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { inspect, isDeepStrictEqual } from 'node:util';

export const [host, port, protocol, t] = [process.argv[2], ...process.argv.slice(3, 6).map(Number)];
export const items = ['1374c6821ead6f47', '2486d7932fbe7058', '3597e8a43fcf8169'];
export const metric = (item) => `host.queries.q.${item}.time_us`;

class Unexpected extends Error {}

export function expect(got, wanted) {
    // Without prototypes: libraries make objects with none.
    const plain = (value) => JSON.parse(JSON.stringify(value ?? null));
    if (!isDeepStrictEqual(plain(got), plain(wanted)))
        throw new Unexpected(`expected ${inspect(wanted)}, came ${inspect(got)}`);
}

export async function expectError(promise, words) {
    let got;
    try {
        got = await promise;
    } catch (error) {
        if (!error.message.includes(words)) throw new Unexpected(`expected an error that says '${words}', came ${error}`);
        return;
    }
    throw new Unexpected(`expected an error that says '${words}', came ${inspect(got)}`);
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const say = (line) => process.stdout.write(`${line}\n`);

/** Asks the runner for something; the promise is kept once it is done. */
export function ask(what) {
    say(`ask ${what}`);
    return lines.next();
}

const oneLine = (error) => `${error.name}: ${error.message}`.replaceAll('\n', ' ');

/** steps: { name: async function }, in order. */
export async function tell(steps) {
    for (const [name, step] of Object.entries(steps)) {
        try {
            await step();
            say(`ok ${name}`);
        } catch (error) {
            say(`not ok ${name}: ${oneLine(error)}`);
        }
    }
}

/** How to repeat; isReply(error) says whether the server has sent it. */
export function repeats(isReply, readRange) {
    const unanswered = (error) =>
        !(error instanceof Unexpected) && (!isReply(error) || /^(KAFKA|BUSY|LOADING)/.test(error.message));

    /** Repeating must be harmless. */
    async function untilAnswered(call) {
        for (const deadline = Date.now() + 60000; ; await pause(20)) {
            try {
                return await call();
            } catch (error) {
                if (!unanswered(error) || Date.now() > deadline) throw error;
            }
        }
    }

    /** Repeating would count twice: where no answer came, it reads back first. */
    async function onceStored(key, at, call) {
        for (;;) {
            try {
                return await call();
            } catch (error) {
                if (!unanswered(error)) throw error;
            }
            try {
                if ((await untilAnswered(() => readRange(key, at))).length > 0) return at;
            } catch (error) {
                if (!error.message.includes('the key does not exist')) throw error; // its first point was not stored
            }
        }
    }
    return { untilAnswered, onceStored };
}

/** writes: { add, sum, count }, each async (i, at). */
export async function stream(writes) {
    const wrote = {}, failed = {};
    let back = false, left = 50;
    for (let i = 0; left > 0 || i < 150; i++) {
        if (i === 50) ask('kill').then(() => (back = true));
        if (back) left--;
        for (const [name, write] of Object.entries(writes)) {
            if (failed[name]) continue;
            try {
                await write(i, t + i * 1000);
                wrote[name] = (wrote[name] ?? 0) + 1;
            } catch (error) {
                failed[name] = error;
            }
        }
    }
    for (const name of Object.keys(writes)) {
        say(`wrote story:stream:${name} ${wrote[name] ?? 0}`);
        say(failed[name] ? `not ok stream-${name}: ${oneLine(failed[name])}` : `ok stream-${name}`);
    }
}
