//! The story of ../README.md, told by redis-rs: HOST PORT PROTOCOL T. It knows no TS.*, so these are words.

use redis::{cmd, Cmd, Commands, Connection, ErrorKind, FromRedisValue, ProtocolVersion, RedisError, Value};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const ITEMS: [&str; 3] = ["1374c6821ead6f47", "2486d7932fbe7058", "3597e8a43fcf8169"];
const TEMPS: [&str; 2] = ["story:temp:1", "story:temp:2"];

type Point = (i64, f64);
type Points = Vec<Point>;

enum Failure {
    Reply(RedisError),
    Unexpected(String),
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Failure::Reply(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Failure::Reply(error) => write!(f, "{error}"),
            Failure::Unexpected(text) => write!(f, "{text}"),
        }
    }
}

type Outcome<T = ()> = Result<T, Failure>;

struct Story {
    client: redis::Client,
    connection: Connection,
    t: i64,
    protocol: u8,
}

// ---- judging ----

fn expect<T: PartialEq + std::fmt::Debug>(got: T, wanted: T) -> Outcome {
    if got == wanted {
        return Ok(());
    }
    Err(Failure::Unexpected(format!("expected {wanted:?}, came {got:?}")))
}

fn expect_error(result: Outcome<Value>, words: &str) -> Outcome {
    match result {
        Err(Failure::Reply(error)) if error.to_string().contains(words) => Ok(()),
        Err(other) => Err(Failure::Unexpected(format!("expected an error that says '{words}', came {other}"))),
        Ok(got) => Err(Failure::Unexpected(format!("expected an error that says '{words}', came {got:?}"))),
    }
}

/// The last element of each key's row in TS.MGET and TS.MRANGE: rows in RESP2, a map in RESP3.
fn rows(reply: Value) -> Outcome<BTreeMap<String, Value>> {
    let mut all = BTreeMap::new();
    match reply {
        Value::Map(entries) => {
            for (key, row) in entries {
                let row: Vec<Value> = redis::from_redis_value(row).map_err(RedisError::from)?;
                all.insert(redis::from_redis_value(key).map_err(RedisError::from)?, row.last().cloned().unwrap_or(Value::Nil));
            }
        }
        other => {
            let list: Vec<Vec<Value>> = redis::from_redis_value(other).map_err(RedisError::from)?;
            for row in list {
                all.insert(redis::from_redis_value(row[0].clone()).map_err(RedisError::from)?, row[row.len() - 1].clone());
            }
        }
    }
    Ok(all)
}

fn read<T: FromRedisValue>(value: Value) -> Outcome<T> {
    Ok(redis::from_redis_value(value).map_err(RedisError::from)?)
}

fn all<T: FromRedisValue>(reply: Value) -> Outcome<BTreeMap<String, T>> {
    rows(reply)?.into_iter().map(|(key, value)| Ok((key, read(value)?))).collect()
}

fn metric(item: &str) -> String {
    format!("host.queries.q.{item}.time_us")
}

/// A command from words of any kind.
macro_rules! words {
    ($name:expr $(, $word:expr)*) => {{
        #[allow(unused_mut)] // of a command without words
        let mut command = cmd($name);
        $(command.arg($word);)*
        command
    }};
}

impl Story {
    fn open(client: &redis::Client) -> Outcome<Connection> {
        let connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(connection)
    }

    /// One command, sent once. After an error of the connection the next one has a new connection.
    fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Outcome<T> {
        let result = command.query(&mut self.connection);
        if let Err(error) = &result {
            if unanswered(error) {
                if let Ok(connection) = Self::open(&self.client) {
                    self.connection = connection;
                }
            }
        }
        Ok(result?)
    }

    /// Repeating must be harmless.
    fn ask_until_answered<T: FromRedisValue>(&mut self, command: &Cmd) -> Outcome<T> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match self.ask(command) {
                Err(Failure::Reply(error)) if unanswered(&error) && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                result => return result,
            }
        }
    }

    /// Repeating would count twice: where no answer came, it reads back first.
    fn ask_once_stored(&mut self, key: &str, at: i64, command: &Cmd) -> Outcome<i64> {
        loop {
            match self.ask(command) {
                Err(Failure::Reply(error)) if unanswered(&error) => (),
                result => return result,
            }
            match self.ask_until_answered::<Points>(&words!("TS.RANGE", key, at, at)) {
                Ok(points) if points.is_empty() => (),
                Ok(_) => return Ok(at),
                Err(error) if error.to_string().contains("the key does not exist") => (), // its first point
                Err(error) => return Err(error),
            }
        }
    }

    fn three(&self) -> Points {
        vec![(self.t, 20.5), (self.t + 1000, 21.5), (self.t + 2000, 22.5)]
    }

    fn wants<T: FromRedisValue + PartialEq + std::fmt::Debug>(&mut self, command: Cmd, wanted: T) -> Outcome {
        let got = self.ask::<T>(&command)?;
        expect(got, wanted)
    }

    fn ok(&mut self, command: Cmd) -> Outcome {
        self.wants(command, "OK".to_string())
    }

    // ---- the steps ----

    fn connect(&mut self) -> Outcome {
        self.wants(words!("PING"), "PONG".to_string())?;
        self.wants(words!("ECHO", "hello"), "hello".to_string())
    }

    fn protocol(&mut self) -> Outcome {
        let info: String = self.ask(&words!("CLIENT", "INFO"))?;
        expect(info.contains(&format!(" resp={}", self.protocol)), true)
    }

    fn create(&mut self) -> Outcome {
        for (key, room) in [(TEMPS[0], "a"), (TEMPS[1], "b")] {
            self.ok(words!("TS.CREATE", key, "RETENTION", 86400000, "DUPLICATE_POLICY", "LAST", "LABELS", "kind", "temp", "room", room))?;
        }
        Ok(())
    }

    fn create_twice(&mut self) -> Outcome {
        expect_error(self.ask(&words!("TS.CREATE", TEMPS[0])), "key already exists")
    }

    fn add(&mut self) -> Outcome {
        self.wants(words!("TS.ADD", TEMPS[0], self.t, 20.5), self.t)?;
        self.wants(words!("TS.ADD", TEMPS[0], self.t + 1000, 21.5), self.t + 1000)
    }

    fn add_now(&mut self) -> Outcome {
        let at: i64 = self.ask(&words!("TS.ADD", "story:now", "*", 1))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        expect((at - now).abs() < 60000, true)
    }

    fn add_declares(&mut self) -> Outcome {
        self.wants(words!("TS.ADD", "story:hum:1", self.t, 40, "LABELS", "kind", "hum", "room", "a"), self.t)
    }

    fn madd(&mut self) -> Outcome {
        let t = self.t;
        self.wants(words!("TS.MADD", TEMPS[0], t + 2000, 22.5, TEMPS[1], t, 10.5, TEMPS[1], t + 60000, 11.5), vec![t + 2000, t, t + 60000])
    }

    fn madd_part(&mut self) -> Outcome {
        let t = self.t;
        // An error within an array is an error of the whole to query(); the raw reply has both.
        let packed = words!("TS.MADD", TEMPS[1], t + 61000, 12.5, TEMPS[1], t + 62000, "abc").get_packed_command();
        self.connection.send_packed_command(&packed)?;
        match self.connection.recv_response()? {
            Value::Array(replies) if replies.len() == 2 => {
                expect(&replies[0], &Value::Int(t + 61000))?;
                expect(matches!(replies[1], Value::ServerError(_)), true)
            }
            other => Err(Failure::Unexpected(format!("expected two elements, came {other:?}"))),
        }
    }

    fn get(&mut self) -> Outcome {
        self.wants(words!("TS.GET", TEMPS[0]), (self.t + 2000, 22.5))
    }

    fn get_missing(&mut self) -> Outcome {
        expect_error(self.ask(&words!("TS.GET", "story:none")), "the key does not exist")
    }

    fn range(&mut self) -> Outcome {
        self.wants(words!("TS.RANGE", TEMPS[0], "-", "+"), self.three())
    }

    fn range_count(&mut self) -> Outcome {
        self.wants(words!("TS.RANGE", TEMPS[0], "-", "+", "COUNT", 2), self.three()[..2].to_vec())
    }

    fn range_value(&mut self) -> Outcome {
        self.wants(words!("TS.RANGE", TEMPS[0], "-", "+", "FILTER_BY_VALUE", 21, 22), self.three()[1..2].to_vec())
    }

    fn range_buckets(&mut self) -> Outcome {
        self.wants(words!("TS.RANGE", TEMPS[1], "-", "+", "AGGREGATION", "avg", 60000), vec![(self.t, 10.5), (self.t + 60000, 12.0)])
    }

    fn revrange(&mut self) -> Outcome {
        self.wants(words!("TS.REVRANGE", TEMPS[0], "-", "+"), self.three().into_iter().rev().collect::<Points>())
    }

    fn mget(&mut self) -> Outcome {
        let got: BTreeMap<String, Point> = all(self.ask(&words!("TS.MGET", "FILTER", "kind=temp"))?)?;
        let wanted = [(TEMPS[0], (self.t + 2000, 22.5)), (TEMPS[1], (self.t + 61000, 12.5))];
        expect(got, wanted.map(|(key, point)| (key.to_string(), point)).into())
    }

    fn mrange(&mut self) -> Outcome {
        let got: BTreeMap<String, Points> = all(self.ask(&words!("TS.MRANGE", self.t, self.t + 59999, "FILTER", "kind=temp"))?)?;
        let wanted = [(TEMPS[0], self.three()), (TEMPS[1], vec![(self.t, 10.5)])];
        expect(got, wanted.map(|(key, points)| (key.to_string(), points)).into())
    }

    fn mrange_group(&mut self) -> Outcome {
        let command = words!("TS.MRANGE", self.t, self.t + 59999, "FILTER", "kind=temp", "GROUPBY", "kind", "REDUCE", "max");
        let got: BTreeMap<String, Points> = all(self.ask(&command)?)?;
        expect(got, [("kind=temp".to_string(), self.three())].into())
    }

    fn queryindex(&mut self) -> Outcome {
        let mut keys: Vec<String> = self.ask(&words!("TS.QUERYINDEX", "kind=temp"))?;
        keys.sort();
        expect(keys, TEMPS.map(String::from).to_vec())
    }

    fn info(&mut self) -> Outcome {
        let info: BTreeMap<String, Value> = self.ask(&words!("TS.INFO", TEMPS[0]))?;
        let labels: BTreeMap<String, String> = match info.get("labels").cloned().unwrap_or(Value::Nil) {
            Value::Array(pairs) => read::<Vec<(String, String)>>(Value::Array(pairs))?.into_iter().collect(),
            map => read(map)?,
        };
        let number = |name: &str| info.get(name).cloned().unwrap_or(Value::Nil);
        expect((number("totalSamples"), number("retentionTime")), (Value::Int(3), Value::Int(86400000)))?;
        expect(labels.get("room").map(String::as_str), Some("a"))
    }

    fn alter(&mut self) -> Outcome {
        self.ok(words!("TS.ALTER", TEMPS[0], "LABELS", "kind", "temp", "room", "c"))?;
        self.wants(words!("TS.QUERYINDEX", "room=c"), vec![TEMPS[0].to_string()])
    }

    fn incrby(&mut self) -> Outcome {
        let t = self.t;
        self.wants(words!("TS.INCRBY", "story:level", 2, "TIMESTAMP", t), t)?;
        self.wants(words!("TS.INCRBY", "story:level", 3, "TIMESTAMP", t + 1000), t + 1000)?;
        self.wants(words!("TS.DECRBY", "story:level", 1, "TIMESTAMP", t + 2000), t + 2000)?;
        self.wants(words!("TS.GET", "story:level"), (t + 2000, 4.0))
    }

    fn block(&mut self) -> Outcome {
        self.ok(words!("TS.CREATE", "story:block", "DUPLICATE_POLICY", "BLOCK"))?;
        self.wants(words!("TS.ADD", "story:block", self.t, 1), self.t)?;
        expect_error(self.ask(&words!("TS.ADD", "story:block", self.t, 2)), "DUPLICATE_POLICY")?;
        self.wants(words!("TS.GET", "story:block"), (self.t, 1.0))
    }

    fn ignore(&mut self) -> Outcome {
        self.ok(words!("TS.CREATE", "story:calm", "DUPLICATE_POLICY", "LAST", "IGNORE", 10000, 1))?;
        self.wants(words!("TS.ADD", "story:calm", self.t, 1), self.t)?;
        self.wants(words!("TS.ADD", "story:calm", self.t + 1000, 1.5), self.t)
    }

    fn del(&mut self) -> Outcome {
        self.wants(words!("TS.DEL", TEMPS[1], self.t + 61000, self.t + 61000), 1)
    }

    fn rule(&mut self) -> Outcome {
        let t = self.t;
        self.ok(words!("TS.CREATE", "story:raw"))?;
        self.ok(words!("TS.CREATE", "story:avg"))?;
        self.ok(words!("TS.CREATERULE", "story:raw", "story:avg", "AGGREGATION", "avg", 60000))?;
        for (at, value) in [(t, 1), (t + 1000, 3), (t + 60000, 10)] {
            self.wants(words!("TS.ADD", "story:raw", at, value), at)?;
        }
        self.wants(words!("TS.RANGE", "story:avg", "-", "+"), vec![(t, 2.0)])?;
        self.ok(words!("TS.DELETERULE", "story:raw", "story:avg"))
    }

    fn observe(&mut self) -> Outcome {
        let s = self.t / 1000;
        let receipt: String =
            self.ask(&words!("OBSERVE", "story1", s, metric(ITEMS[0]), 600, metric(ITEMS[1]), 300, metric(ITEMS[2]), 100))?;
        let numbers = receipt.split(':').filter(|part| part.parse::<u64>().is_ok()).count();
        expect(numbers, 2)
    }

    fn topq(&mut self) -> Outcome {
        let s = self.t / 1000;
        let rows: Vec<Vec<Value>> =
            self.ask(&words!("TOPQ", s, s + 60, "host.queries.q.*.time_us", "LIMIT", 2, "FORMAT", "flat"))?;
        expect(rows.len(), 5)?;
        let column = |name: &str| {
            rows[0].iter().position(|cell| read::<String>(cell.clone()).is_ok_and(|text| text == name)).unwrap_or(0)
        };
        let (item, value) = (column("item"), column("time_us"));
        let values: Vec<f64> = rows[1..].iter().map(|row| read(row[value].clone())).collect::<Outcome<_>>()?;
        expect(values, vec![600.0, 300.0, 100.0, 1000.0])?;
        let items: Vec<String> = rows[1..3].iter().map(|row| read(row[item].clone())).collect::<Outcome<_>>()?;
        expect(items, ITEMS[..2].iter().map(|item| item.to_string()).collect())
    }

    fn draw(&mut self) -> Outcome {
        let s = self.t / 1000;
        let key = format!("story1/{}", metric(ITEMS[0]));
        let rows: Vec<Vec<Value>> = self.ask(&words!("RANGE", s, s + 1, "STEP", 1, "FORMAT", "flat", "KEYS", key))?;
        expect(rows.len(), 2)?;
        expect((read::<f64>(rows[1][0].clone())?, read::<f64>(rows[1][1].clone())?), (s as f64, 600.0))
    }

    fn errors(&mut self) -> Outcome {
        expect_error(self.ask(&words!("NOSUCH")), "unknown command")?;
        expect_error(self.ask(&words!("TS.ADD", TEMPS[0])), "wrong number of arguments")?;
        expect_error(self.ask(&words!("TS.ADD", TEMPS[0], self.t, "abc")), "invalid value")?;
        expect_error(self.ask(&words!("TS.ADD", TEMPS[0], "when", 1)), "invalid timestamp")?;
        self.wants(words!("PING"), "PONG".to_string())
    }

    fn pipeline(&mut self) -> Outcome {
        let mut pipe = redis::pipe();
        for i in 0..=100i64 {
            let value = if i == 50 { "x".to_string() } else { i.to_string() };
            pipe.cmd("TS.ADD").arg("story:pipe").arg(self.t + i * 1000).arg(value);
        }
        pipe.ignore_errors();
        let replies: Vec<redis::RedisResult<i64>> = pipe.query(&mut self.connection)?;
        expect(replies.len(), 101)?;
        for (i, reply) in replies.into_iter().enumerate() {
            if i == 50 {
                expect(reply.is_err(), true)?;
            } else {
                expect(reply?, self.t + i as i64 * 1000)?;
            }
        }
        let points: Points = self.ask(&words!("TS.RANGE", "story:pipe", "-", "+"))?;
        expect(points.len(), 100)
    }

    fn transaction(&mut self) -> Outcome {
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("TS.ADD").arg("story:tx").arg(self.t).arg(1);
        pipe.cmd("TS.ADD").arg("story:tx").arg(self.t + 1000).arg(2);
        let times: Vec<i64> = pipe.query(&mut self.connection)?;
        expect(times, vec![self.t, self.t + 1000])
    }

    fn keys(&mut self) -> Outcome {
        self.wants(words!("EXISTS", TEMPS[0]), 1)?;
        self.wants(words!("TYPE", TEMPS[0]), "TSDB-TYPE".to_string())?;
        let mut keys: Vec<String> = self.connection.scan_match("story:temp:*")?.collect::<redis::RedisResult<_>>()?;
        keys.sort();
        expect(keys, TEMPS.map(String::from).to_vec())
    }

    fn drop(&mut self) -> Outcome {
        self.wants(words!("DEL", "story:hum:1"), 1)?;
        self.wants(words!("EXISTS", "story:hum:1"), 0)
    }

    fn restart(&mut self) -> Outcome {
        println!("ask restart");
        std::io::stdin().lock().read_line(&mut String::new()).ok();
        let last: Point = self.ask_until_answered(&words!("TS.GET", TEMPS[0]))?;
        expect(last, self.three()[2])?;
        let at: i64 = self.ask_until_answered(&words!("TS.ADD", "story:restart", self.t, 1))?;
        expect(at, self.t)
    }

    // ---- the stream ----

    fn write(&mut self, name: &str, i: i64, at: i64) -> Outcome {
        let key = format!("story:stream:{name}");
        let got = match name {
            "add" => self.ask_until_answered(&words!("TS.ADD", &key, at, i))?,
            "sum" => self.ask_once_stored(&key, at, &words!("TS.ADD", &key, at, i + 1, "ON_DUPLICATE", "SUM"))?,
            _ => self.ask_once_stored(&key, at, &words!("TS.INCRBY", &key, 1, "TIMESTAMP", at))?,
        };
        expect(got, at)
    }

    fn stream(&mut self) {
        let back = Arc::new(AtomicBool::new(false));
        let heard = back.clone();
        std::thread::spawn(move || {
            std::io::stdin().lock().read_line(&mut String::new()).ok();
            heard.store(true, Ordering::SeqCst);
        });
        let mut parts = ["add", "sum", "count"].map(|name| (name, 0, Ok(())));
        let (mut left, mut i) = (50, 0);
        while left > 0 || i < 150 {
            if i == 50 {
                println!("ask kill");
            }
            if back.load(Ordering::SeqCst) {
                left -= 1;
            }
            for (name, wrote, result) in parts.iter_mut().filter(|part| part.2.is_ok()) {
                *result = self.write(name, i, self.t + i * 1000);
                *wrote += i32::from(result.is_ok());
            }
            i += 1;
        }
        for (name, wrote, result) in parts {
            println!("wrote story:stream:{name} {wrote}");
            say(&format!("stream-{name}"), result);
        }
    }
}

fn unanswered(error: &RedisError) -> bool {
    let busy = error.code().is_some_and(|code| ["KAFKA", "BUSY", "LOADING"].contains(&code));
    busy || error.is_io_error() || error.is_connection_dropped() || error.kind() == ErrorKind::Io
}

fn say(name: &str, result: Outcome) {
    match result {
        Ok(()) => println!("ok {name}"),
        Err(error) => println!("not ok {name}: {}", error.to_string().replace('\n', " ")),
    }
}

type Step = fn(&mut Story) -> Outcome;

const STEPS: [(&str, Step); 36] = [
    ("connect", Story::connect),
    ("protocol", Story::protocol),
    ("create", Story::create),
    ("create-twice", Story::create_twice),
    ("add", Story::add),
    ("add-now", Story::add_now),
    ("add-declares", Story::add_declares),
    ("madd", Story::madd),
    ("madd-part", Story::madd_part),
    ("get", Story::get),
    ("get-missing", Story::get_missing),
    ("range", Story::range),
    ("range-count", Story::range_count),
    ("range-value", Story::range_value),
    ("range-buckets", Story::range_buckets),
    ("revrange", Story::revrange),
    ("mget", Story::mget),
    ("mrange", Story::mrange),
    ("mrange-group", Story::mrange_group),
    ("queryindex", Story::queryindex),
    ("info", Story::info),
    ("alter", Story::alter),
    ("incrby", Story::incrby),
    ("block", Story::block),
    ("ignore", Story::ignore),
    ("del", Story::del),
    ("rule", Story::rule),
    ("observe", Story::observe),
    ("topq", Story::topq),
    ("draw", Story::draw),
    ("errors", Story::errors),
    ("pipeline", Story::pipeline),
    ("transaction", Story::transaction),
    ("keys", Story::keys),
    ("drop", Story::drop),
    ("restart", Story::restart),
];

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let (protocol, t) = (words[3].parse().unwrap(), words[4].parse().unwrap());
    let version = if protocol == 3 { ProtocolVersion::RESP3 } else { ProtocolVersion::RESP2 };
    let info = redis::IntoConnectionInfo::into_connection_info(format!("redis://{}:{}/", words[1], words[2])).unwrap();
    let settings = redis::RedisConnectionInfo::default().set_protocol(version);
    let client = redis::Client::open(info.set_redis_settings(settings)).unwrap();
    let connection = client.get_connection().expect("no connection");
    let mut story = Story { client, connection, t, protocol };
    for (name, step) in STEPS {
        let result = step(&mut story);
        say(name, result);
    }
    story.stream();
}
