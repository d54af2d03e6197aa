// The story of ../README.md, told by jedis: HOST PORT PROTOCOL T.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import redis.clients.jedis.AbstractTransaction;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.RedisClient;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.Response;
import redis.clients.jedis.commands.ProtocolCommand;
import redis.clients.jedis.exceptions.JedisConnectionException;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.params.ScanParams;
import redis.clients.jedis.resps.ScanResult;
import redis.clients.jedis.timeseries.*;
import redis.clients.jedis.util.SafeEncoder;

public class Story {
    static final String ITEM_1 = "1374c6821ead6f47", ITEM_2 = "2486d7932fbe7058", ITEM_3 = "3597e8a43fcf8169";
    static final BufferedReader INPUT = new BufferedReader(new InputStreamReader(System.in));

    static int protocol;
    static long t;
    static RedisClient r; // never sends a command twice by itself

    interface Step {
        void run() throws Exception;
    }

    static class Unexpected extends RuntimeException {
        Unexpected(String text) {
            super(text);
        }
    }

    // ---- judging ----

    static void expect(Object got, Object wanted) {
        if (got == null ? wanted != null : !got.equals(wanted))
            throw new Unexpected("expected " + wanted + ", came " + got);
    }

    static void expectError(String words, Callable<?> call) throws Exception {
        Object got;
        try {
            got = call.call();
        } catch (JedisDataException error) {
            if (!error.getMessage().contains(words))
                throw new Unexpected("expected an error that says '" + words + "', came " + error.getMessage());
            return;
        }
        throw new Unexpected("expected an error that says '" + words + "', came " + text(got));
    }

    record Point(long at, double value) {
        static Point of(TSElement e) {
            return e == null ? null : new Point(e.getTimestamp(), e.getValue());
        }
    }

    static List<Point> points(List<TSElement> elements) {
        return elements.stream().map(Point::of).toList();
    }

    static Map<String, List<Point>> series(Map<String, TSMRangeElements> rows) {
        Map<String, List<Point>> all = new TreeMap<>();
        rows.forEach((key, row) -> all.put(key, points(row.getElements())));
        return all;
    }

    static ProtocolCommand command(String name) {
        return () -> SafeEncoder.encode(name);
    }

    /** A command that jedis knows no call for. */
    static Object words(String name, Object... words) {
        return r.sendCommand(command(name), Arrays.stream(words).map(String::valueOf).toArray(String[]::new));
    }

    static String text(Object reply) {
        return reply instanceof byte[] bytes ? SafeEncoder.encode(bytes) : String.valueOf(reply);
    }

    static double number(Object reply) {
        return Double.parseDouble(text(reply));
    }

    // ---- the steps ----

    static List<Point> three;
    static final String TEMP_1 = "story:temp:1", TEMP_2 = "story:temp:2";

    static void connect() {
        expect(r.ping(), "PONG");
        expect(text(words("ECHO", "hello")), "hello");
    }

    static void protocol() {
        String info = text(words("CLIENT", "INFO"));
        if (!info.contains(" resp=" + protocol))
            throw new Unexpected("expected resp=" + protocol + ", came " + info);
    }

    static TSCreateParams temp(String room) {
        return TSCreateParams.createParams().retention(86400000).duplicatePolicy(DuplicatePolicy.LAST)
            .label("kind", "temp").label("room", room);
    }

    static void create() {
        expect(r.tsCreate(TEMP_1, temp("a")), "OK");
        expect(r.tsCreate(TEMP_2, temp("b")), "OK");
    }

    static void createTwice() throws Exception {
        expectError("key already exists", () -> r.tsCreate(TEMP_1));
    }

    static void add() {
        expect(r.tsAdd(TEMP_1, t, 20.5), t);
        expect(r.tsAdd(TEMP_1, t + 1000, 21.5), t + 1000);
    }

    static void addNow() {
        long at = r.tsAdd("story:now", 1); // without a time it sends *
        if (Math.abs(at - System.currentTimeMillis()) > 60000)
            throw new Unexpected("expected a time near now, came " + at);
    }

    static void addDeclares() {
        expect(r.tsAdd("story:hum:1", t, 40, new TSAddParams().label("kind", "hum").label("room", "a")), t);
    }

    @SuppressWarnings("unchecked")
    static void madd() {
        expect(r.tsMAdd(Map.entry(TEMP_1, new TSElement(t + 2000, 22.5)), Map.entry(TEMP_2, new TSElement(t, 10.5)),
            Map.entry(TEMP_2, new TSElement(t + 60000, 11.5))), List.of(t + 2000, t, t + 60000));
    }

    /** tsMAdd takes numbers only, so this one is asked in words. */
    static void maddPart() {
        List<?> reply = (List<?>) words("TS.MADD", TEMP_2, t + 61000, 12.5, TEMP_2, t + 62000, "abc");
        expect(reply.get(0), t + 61000);
        expect(reply.get(1) instanceof JedisDataException, true);
    }

    static void get() {
        expect(Point.of(r.tsGet(TEMP_1)), three.get(2));
    }

    static void getMissing() throws Exception {
        expectError("the key does not exist", () -> r.tsGet("story:none"));
    }

    static void range() {
        expect(points(r.tsRange(TEMP_1, TSRangeParams.rangeParams())), three);
    }

    static void rangeCount() {
        expect(points(r.tsRange(TEMP_1, TSRangeParams.rangeParams().count(2))), three.subList(0, 2));
    }

    static void rangeValue() {
        expect(points(r.tsRange(TEMP_1, TSRangeParams.rangeParams().filterByValues(21, 22))), three.subList(1, 2));
    }

    static void rangeBuckets() {
        expect(points(r.tsRange(TEMP_2, TSRangeParams.rangeParams().aggregation(AggregationType.AVG, 60000))),
            List.of(new Point(t, 10.5), new Point(t + 60000, 12)));
    }

    static void revrange() {
        expect(points(r.tsRevRange(TEMP_1, TSRangeParams.rangeParams())),
            List.of(three.get(2), three.get(1), three.get(0)));
    }

    static void mget() {
        Map<String, Point> got = new TreeMap<>();
        r.tsMGet(TSMGetParams.multiGetParams(), "kind=temp").forEach((key, e) -> got.put(key, Point.of(e.getElement())));
        expect(got, Map.of(TEMP_1, three.get(2), TEMP_2, new Point(t + 61000, 12.5)));
    }

    static void mrange() {
        expect(series(r.tsMRange(t, t + 59999, "kind=temp")), Map.of(TEMP_1, three, TEMP_2, List.of(new Point(t, 10.5))));
    }

    static void mrangeGroup() {
        expect(series(r.tsMRange(TSMRangeParams.multiRangeParams(t, t + 59999).filter("kind=temp").groupBy("kind", "max"))),
            Map.of("kind=temp", three));
    }

    static void queryindex() {
        expect(new TreeSet<>(r.tsQueryIndex("kind=temp")), new TreeSet<>(List.of(TEMP_1, TEMP_2)));
    }

    static void info() {
        TSInfo info = r.tsInfo(TEMP_1);
        expect(List.of(info.getIntegerProperty("totalSamples"), info.getIntegerProperty("retentionTime"),
            info.getLabel("room")), List.of(3L, 86400000L, "a"));
    }

    static void alter() {
        expect(r.tsAlter(TEMP_1, TSAlterParams.alterParams().label("kind", "temp").label("room", "c")), "OK");
        expect(new ArrayList<>(r.tsQueryIndex("room=c")), List.of(TEMP_1));
    }

    static void incrby() {
        expect(r.tsIncrBy("story:level", 2, t), t);
        expect(r.tsIncrBy("story:level", 3, t + 1000), t + 1000);
        expect(r.tsDecrBy("story:level", 1, t + 2000), t + 2000);
        expect(Point.of(r.tsGet("story:level")), new Point(t + 2000, 4));
    }

    static void block() throws Exception {
        expect(r.tsCreate("story:block", TSCreateParams.createParams().duplicatePolicy(DuplicatePolicy.BLOCK)), "OK");
        expect(r.tsAdd("story:block", t, 1), t);
        expectError("DUPLICATE_POLICY", () -> r.tsAdd("story:block", t, 2));
        expect(Point.of(r.tsGet("story:block")), new Point(t, 1));
    }

    static void ignore() {
        expect(r.tsCreate("story:calm", TSCreateParams.createParams().duplicatePolicy(DuplicatePolicy.LAST)
            .ignore(10000, 1)), "OK");
        expect(r.tsAdd("story:calm", t, 1), t);
        expect(r.tsAdd("story:calm", t + 1000, 1.5), t);
    }

    static void del() {
        expect(r.tsDel(TEMP_2, t + 61000, t + 61000), 1L);
    }

    static void rule() {
        expect(r.tsCreate("story:raw"), "OK");
        expect(r.tsCreate("story:avg"), "OK");
        expect(r.tsCreateRule("story:raw", "story:avg", AggregationType.AVG, 60000), "OK");
        expect(r.tsAdd("story:raw", t, 1), t);
        expect(r.tsAdd("story:raw", t + 1000, 3), t + 1000);
        expect(r.tsAdd("story:raw", t + 60000, 10), t + 60000);
        expect(points(r.tsRange("story:avg", TSRangeParams.rangeParams())), List.of(new Point(t, 2)));
        expect(r.tsDeleteRule("story:raw", "story:avg"), "OK");
    }

    static String metric(String item) {
        return "host.queries.q." + item + ".time_us";
    }

    static void observe() {
        String receipt = text(words("OBSERVE", "story1", t / 1000, metric(ITEM_1), 600, metric(ITEM_2), 300, metric(ITEM_3), 100));
        if (!receipt.matches("\\d+:\\d+"))
            throw new Unexpected("expected a receipt, came " + receipt);
    }

    static int column(List<?> header, String name) {
        for (int i = 0; i < header.size(); i++)
            if (text(header.get(i)).equals(name))
                return i;
        throw new Unexpected("expected a column " + name);
    }

    static List<?> row(List<?> rows, int i) {
        return (List<?>) rows.get(i);
    }

    static void topq() {
        List<?> rows = (List<?>) words("TOPQ", t / 1000, t / 1000 + 60, "host.queries.q.*.time_us", "LIMIT", 2, "FORMAT", "flat");
        expect(rows.size(), 5);
        int item = column(row(rows, 0), "item"), value = column(row(rows, 0), "time_us");
        List<Double> values = new ArrayList<>();
        for (int i = 1; i < 5; i++)
            values.add(number(row(rows, i).get(value)));
        expect(values, List.of(600.0, 300.0, 100.0, 1000.0));
        expect(List.of(text(row(rows, 1).get(item)), text(row(rows, 2).get(item))), List.of(ITEM_1, ITEM_2));
    }

    static void draw() {
        List<?> rows = (List<?>) words("RANGE", t / 1000, t / 1000 + 1, "STEP", 1, "FORMAT", "flat", "KEYS", "story1/" + metric(ITEM_1));
        expect(rows.size(), 2);
        expect(List.of(number(row(rows, 1).get(0)), number(row(rows, 1).get(1))), List.of((double) (t / 1000), 600.0));
    }

    static void errors() throws Exception {
        expectError("unknown command", () -> words("NOSUCH"));
        expectError("wrong number of arguments", () -> words("TS.ADD", TEMP_1));
        expectError("invalid value", () -> words("TS.ADD", TEMP_1, t, "abc"));
        expectError("invalid timestamp", () -> words("TS.ADD", TEMP_1, "when", 1));
        expect(r.ping(), "PONG");
    }

    static void pipeline() {
        List<Object> replies;
        try (Pipeline pipe = r.pipelined()) {
            for (int i = 0; i <= 100; i++)
                pipe.sendCommand(command("TS.ADD"), "story:pipe", String.valueOf(t + i * 1000), i == 50 ? "x" : String.valueOf(i));
            replies = pipe.syncAndReturnAll();
        }
        expect(replies.size(), 101);
        for (int i = 0; i <= 100; i++)
            if (i == 50)
                expect(replies.get(i) instanceof JedisDataException, true);
            else
                expect(replies.get(i), t + i * 1000L);
        expect(r.tsRange("story:pipe", TSRangeParams.rangeParams()).size(), 100);
    }

    static void transaction() {
        try (AbstractTransaction multi = r.multi()) {
            Response<Long> first = multi.tsAdd("story:tx", t, 1), second = multi.tsAdd("story:tx", t + 1000, 2);
            multi.exec();
            expect(List.of(first.get(), second.get()), List.of(t, t + 1000));
        }
    }

    static void keys() {
        expect(r.exists(TEMP_1), true);
        expect(r.type(TEMP_1), "TSDB-TYPE");
        List<String> keys = new ArrayList<>();
        String cursor = ScanParams.SCAN_POINTER_START;
        do {
            ScanResult<String> page = r.scan(cursor, new ScanParams().match("story:temp:*"));
            keys.addAll(page.getResult());
            cursor = page.getCursor();
        } while (!cursor.equals(ScanParams.SCAN_POINTER_START));
        keys.sort(null);
        expect(keys, List.of(TEMP_1, TEMP_2));
    }

    static void drop() {
        expect(r.del("story:hum:1"), 1L);
        expect(r.exists("story:hum:1"), false);
    }

    static void restart() throws Exception {
        System.out.println("ask restart");
        INPUT.readLine();
        expect(Point.of(untilAnswered(() -> r.tsGet(TEMP_1))), three.get(2));
        expect(untilAnswered(() -> r.tsAdd("story:restart", t, 1)), t);
    }

    // ---- the stream ----

    static boolean unanswered(Exception error) {
        return error instanceof JedisConnectionException
            || (error instanceof JedisDataException && error.getMessage().matches("(KAFKA|BUSY|LOADING)(?s:.*)"));
    }

    /** Repeating must be harmless. */
    static <T> T untilAnswered(Callable<T> call) throws Exception {
        for (long deadline = System.currentTimeMillis() + 60000;; Thread.sleep(20)) {
            try {
                return call.call();
            } catch (Exception error) {
                if (!unanswered(error) || System.currentTimeMillis() > deadline)
                    throw error;
            }
        }
    }

    /** Repeating would count twice: where no answer came, it reads back first. */
    static long onceStored(String key, long at, Callable<Long> call) throws Exception {
        while (true) {
            try {
                return call.call();
            } catch (Exception error) {
                if (!unanswered(error))
                    throw error;
            }
            try {
                if (!untilAnswered(() -> r.tsRange(key, at, at)).isEmpty())
                    return at;
            } catch (JedisDataException error) {
                if (!error.getMessage().contains("the key does not exist")) // its first point was not stored
                    throw error;
            }
        }
    }

    interface Write {
        long at(int i, long at) throws Exception;
    }

    static void stream() throws InterruptedException {
        Map<String, Write> writes = new LinkedHashMap<>();
        writes.put("add", (i, at) -> untilAnswered(() -> r.tsAdd("story:stream:add", at, i)));
        writes.put("sum", (i, at) -> onceStored("story:stream:sum", at,
            () -> r.tsAdd("story:stream:sum", at, i + 1, new TSAddParams().onDuplicate(DuplicatePolicy.SUM))));
        writes.put("count", (i, at) -> onceStored("story:stream:count", at, () -> r.tsIncrBy("story:stream:count", 1, at)));
        Map<String, Integer> wrote = new LinkedHashMap<>();
        Map<String, Exception> failed = new LinkedHashMap<>();
        AtomicBoolean back = new AtomicBoolean();
        Thread reader = new Thread(() -> {
            try {
                INPUT.readLine();
            } catch (IOException ended) {
                // the runner is gone
            }
            back.set(true);
        });
        reader.setDaemon(true);
        reader.start();
        int left = 50;
        for (int i = 0; left > 0 || i < 150; i++) {
            if (i == 50)
                System.out.println("ask kill");
            if (back.get())
                left--;
            for (Map.Entry<String, Write> part : writes.entrySet()) {
                if (failed.containsKey(part.getKey()))
                    continue;
                try {
                    long at = t + i * 1000L;
                    expect(part.getValue().at(i, at), at);
                    wrote.merge(part.getKey(), 1, Integer::sum);
                } catch (Exception error) {
                    failed.put(part.getKey(), error);
                }
            }
        }
        for (String name : writes.keySet()) {
            System.out.println("wrote story:stream:" + name + " " + wrote.getOrDefault(name, 0));
            say("stream-" + name, failed.get(name));
        }
    }

    static void say(String name, Throwable error) {
        System.out.println(error == null ? "ok " + name : "not ok " + name + ": " + error.toString().replace('\n', ' '));
    }

    static void tell(String name, Step step) {
        try {
            step.run();
            say(name, null);
        } catch (Exception error) {
            say(name, error);
        }
    }

    public static void main(String[] args) throws Exception {
        protocol = Integer.parseInt(args[2]);
        t = Long.parseLong(args[3]);
        three = List.of(new Point(t, 20.5), new Point(t + 1000, 21.5), new Point(t + 2000, 22.5));
        r = RedisClient.builder().hostAndPort(new HostAndPort(args[0], Integer.parseInt(args[1])))
            .clientConfig(DefaultJedisClientConfig.builder()
                .protocol(protocol == 3 ? RedisProtocol.RESP3 : RedisProtocol.RESP2).build())
            .build();
        tell("connect", Story::connect);
        tell("protocol", Story::protocol);
        tell("create", Story::create);
        tell("create-twice", Story::createTwice);
        tell("add", Story::add);
        tell("add-now", Story::addNow);
        tell("add-declares", Story::addDeclares);
        tell("madd", Story::madd);
        tell("madd-part", Story::maddPart);
        tell("get", Story::get);
        tell("get-missing", Story::getMissing);
        tell("range", Story::range);
        tell("range-count", Story::rangeCount);
        tell("range-value", Story::rangeValue);
        tell("range-buckets", Story::rangeBuckets);
        tell("revrange", Story::revrange);
        tell("mget", Story::mget);
        tell("mrange", Story::mrange);
        tell("mrange-group", Story::mrangeGroup);
        tell("queryindex", Story::queryindex);
        tell("info", Story::info);
        tell("alter", Story::alter);
        tell("incrby", Story::incrby);
        tell("block", Story::block);
        tell("ignore", Story::ignore);
        tell("del", Story::del);
        tell("rule", Story::rule);
        tell("observe", Story::observe);
        tell("topq", Story::topq);
        tell("draw", Story::draw);
        tell("errors", Story::errors);
        tell("pipeline", Story::pipeline);
        tell("transaction", Story::transaction);
        tell("keys", Story::keys);
        tell("drop", Story::drop);
        tell("restart", Story::restart);
        stream();
        r.close();
        System.exit(0); // the reader may wait for a line still
    }
}
