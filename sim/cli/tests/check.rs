//! `squall check`: histories of ours and of other tools.

mod support;

use std::{fs, path::Path, process::Output};
use support::squall as squall_in;

fn squall(args: &[&str]) -> Output {
    squall_in(Path::new("."), args)
}

fn check(dir: &Path, name: &str, text: &str, more: &[&str]) -> (i32, String) {
    let file = dir.join(name);
    fs::write(&file, text).unwrap();
    told(squall(&[&["check", file.to_str().unwrap()], more].concat()))
}

fn told(out: Output) -> (i32, String) {
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    (out.status.code().unwrap(), text)
}

const STALE: &str = "INFO  jepsen.util - 0\t:invoke\t:write\t1\nINFO  jepsen.util - 0\t:ok\t:write\t1\n\
                     INFO  jepsen.util - 0\t:invoke\t:write\t2\nINFO  jepsen.util - 0\t:ok\t:write\t2\n\
                     INFO  jepsen.util - 1\t:invoke\t:read\tnil\nINFO  jepsen.util - 1\t:ok\t:read\t1\n";

#[test]
fn logs_of_other_tools_are_judged_and_explained() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = check(dir.path(), "a.log", STALE, &["--model", "cas-register"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("No order is left when call 3, `read: 1` by 1, returns."), "{text}");
    assert!(text.contains("These 3 calls alone have no order"), "{text}");
    let (code, text) = check(dir.path(), "b.log", &STALE.replace(":read\t1", ":read\t2"), &["--model", "cas-register", "--witness"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("in this order:"), "{text}");
    let kv = "{:process 0, :type :invoke, :f :append, :key \"a\", :value \"x\"}\n{:process 0, :type :ok, :f :append, :key \"a\", :value \"x\"}\n\
              {:process 1, :type :invoke, :f :get, :key \"a\", :value nil}\n{:process 1, :type :ok, :f :get, :key \"a\", :value \"\"}\n";
    let (code, text) = check(dir.path(), "kv.txt", kv, &["--model", "append-kv", "--json"]);
    assert_eq!(code, 1, "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["verdict"], &json["counterexample"]["minimal"]), (&"invalid".into(), &serde_json::json!([1, 2])), "{text}");
}

#[test]
fn a_read_of_nil_in_edn_says_nothing_unless_it_is_said_to() {
    let dir = tempfile::tempdir().unwrap();
    let edn = "[{:process 0, :type :invoke, :f :write, :value 1, :time 1}\n {:process 0, :type :ok, :f :write, :value 1, :time 2}\n\
               {:process 1, :type :invoke, :f :read, :value nil, :time 3}\n {:process 1, :type :ok, :f :read, :value nil, :time 4}]";
    assert_eq!(check(dir.path(), "a.edn", edn, &["--model", "register"]).0, 0);
    assert_eq!(check(dir.path(), "b.edn", edn, &["--model", "register", "--nil-is-seen"]).0, 1);
    // jepsen.independent: each key by itself.
    let keyed = "{:process 0, :type :invoke, :f :write, :value [1 5]}\n{:process 0, :type :ok, :f :write, :value [1 5]}\n\
                 {:process 1, :type :invoke, :f :read, :value [2 nil]}\n{:process 1, :type :ok, :f :read, :value [2 5]}\n";
    let (code, text) = check(dir.path(), "c.edn", keyed, &["--model", "register", "--independent"]);
    assert!(code == 1 && text.contains("of key 2"), "{code} {text}");
}

#[test]
fn what_is_too_hard_is_unknown_and_says_how_far_it_came() {
    let dir = tempfile::tempdir().unwrap();
    // Sixteen elements put in at once, and taken out so that the last two cannot be.
    let mut lines = Vec::new();
    for i in 0..16 {
        lines.push(format!("{{\"process\":{i},\"type\":\"invoke\",\"kind\":\"enqueue\",\"input\":{i}}}"));
    }
    lines.extend((0..16).map(|i| format!("{{\"process\":{i},\"type\":\"ok\"}}")));
    for out in [0, 0] {
        lines.push("{\"process\":99,\"type\":\"invoke\",\"kind\":\"dequeue\"}".to_string());
        lines.push(format!("{{\"process\":99,\"type\":\"ok\",\"output\":{out}}}"));
    }
    let (code, text) = check(dir.path(), "q.jsonl", &lines.join("\n"), &["--model", "queue", "--time-limit", "300ms"]);
    assert!(code == 4 && text.starts_with("UNKNOWN") && text.contains("events"), "{code} {text}");
    let (code, text) = check(dir.path(), "q.jsonl", &lines.join("\n"), &["--model", "queue", "--memory-limit", "96MB"]);
    assert!(code == 4 && text.starts_with("UNKNOWN"), "{code} {text}");
}

#[test]
fn histories_of_ours_are_judged_by_every_checker_and_exported() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("h.jsonl");
    let name = file.to_str().unwrap();
    let out = squall(&["bench", "checker", "--generate", name, "--ops", "2000", "--unknown-per-mille", "20"]);
    assert!(out.status.success());
    // Nobody read at its end, so durable cannot say.
    let (code, text) = told(squall(&["check", name]));
    assert!(code == 4 && text.contains("linearizable     valid") && text.contains("has no final reads"), "{code} {text}");
    let (code, text) = told(squall(&["check", name, "--model", "kv", "--json"]));
    assert!(code == 0 && text.contains("\"verdict\":\"valid\""), "{code} {text}");
    // Spoilt: the last answer of a get is one that nobody wrote.
    let good = fs::read_to_string(&file).unwrap();
    let at = good.rfind("{\"got\":{\"value\":\"v").unwrap() + 17;
    let bad = format!("{}nobody-{}", &good[..at], &good[at + 1..]);
    let (code, text) = check(dir.path(), "bad.jsonl", &bad, &["--model", "kv"]);
    assert!(code == 1 && text.contains("nobody-") && text.contains("alone have no order"), "{code} {text}");
    // Cut off, it is not valid.
    let cut = &good[..good[..good.len() / 2].rfind('\n').unwrap() + 1];
    let (code, text) = check(dir.path(), "cut.jsonl", cut, &["--model", "kv"]);
    assert!(code == 4 && text.contains("does not come to its end"), "{code} {text}");
    // An order, at once, and one that names every call that was answered.
    let (code, text) = check(dir.path(), "good.jsonl", &good, &["--model", "kv", "--witness", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (order, answered) = (json["orders"][0]["order"].as_array().unwrap().len(), good.matches("{\"ok\":{").count());
    assert!(code == 0 && order >= answered, "{order} of {answered}");
    // As EDN, the gets, puts and swaps of a history without deletes say the same.
    let registers: String = "{\"squall_history\":3}\n\
        {\"t\":1,\"what\":{\"invoke\":{\"client\":1,\"op\":1,\"ask\":{\"put\":{\"key\":\"k\",\"value\":\"a\\\"b\"}}}}}\n\
        {\"t\":2,\"what\":{\"ok\":{\"op\":1,\"output\":\"done\",\"revision\":2}}}\n\
        {\"t\":3,\"what\":{\"invoke\":{\"client\":1,\"op\":2,\"ask\":{\"get\":{\"key\":\"k\"}}}}}\n\
        {\"t\":4,\"what\":{\"ok\":{\"op\":2,\"output\":{\"got\":{\"value\":\"a\\\"b\"}},\"revision\":2}}}\n\
        {\"t\":4,\"what\":\"end\"}\n"
        .to_string();
    let (code, edn) = check(dir.path(), "r.jsonl", &registers, &["--format", "edn"]);
    assert_eq!(code, 0, "{edn}");
    assert!(edn.contains("{:process 1, :type :ok, :f :read, :key \"k\", :value \"a\\\"b\", :time 4}"), "{edn}");
    assert_eq!(check(dir.path(), "r.edn", &edn, &["--model", "register"]).0, 0);
    assert_eq!(
        check(
            dir.path(),
            "r.edn",
            &edn.replace(":f :read, :key \"k\", :value \"a", ":f :read, :key \"k\", :value \"x"),
            &["--model", "register"]
        )
        .0,
        1
    );
}

#[test]
fn limits_hold_for_a_long_store_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("h.jsonl");
    let name = file.to_str().unwrap();
    let out = squall(&["bench", "checker", "--generate", name, "--ops", "200000", "--unknown-per-mille", "100"]);
    assert!(out.status.success());
    for witness in [&["--witness"][..], &[]] {
        let (code, text) = told(squall(&[&["check", name, "--model", "kv", "--time-limit", "1ms"], witness].concat()));
        assert!(code == 4 && text.contains("every answer before that has an order"), "{code} {text}");
    }
}

#[test]
fn mistakes_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = check(dir.path(), "a.log", STALE, &["--model", "regster"]);
    assert!(code == 2 && text.contains("there is no model `regster`; there are register, cas-register"), "{code} {text}");
    let (code, text) = check(dir.path(), "a.log", STALE, &[]);
    assert!(code == 2 && text.contains("--model says what this jepsen-log"), "{code} {text}");
    let (code, text) = check(dir.path(), "b.log", &STALE.replace(":ok\t:write\t2", ":okay\t:write\t2"), &["--model", "register"]);
    assert!(code == 2 && text.contains("line 4: `:okay`: expected :invoke, :ok, :fail or :info"), "{code} {text}");
    let (code, text) = check(dir.path(), "c.log", STALE, &["--model", "queue"]);
    assert!(code == 2 && text.contains("this model takes enqueue or dequeue"), "{code} {text}");
    let (code, text) = check(dir.path(), "d.edn", "{:process 0, :type :invoke, :f :read :value", &["--model", "register"]);
    assert!(code == 2 && text.contains("line 1"), "{code} {text}");
    let (code, text) = check(dir.path(), "e.txt", "hello\n", &["--model", "register"]);
    assert!(code == 2 && text.contains("this is no history"), "{code} {text}");
    let ours = "{\"squall_history\":4}\n{\"t\":1,\"what\":\"end\"}\n";
    let (code, text) = check(dir.path(), "f.jsonl", ours, &["--time-limit", "1s"]);
    assert!(code == 2 && text.contains("bounds of their own"), "{code} {text}");
    let (code, text) = check(dir.path(), "g.log", STALE, &["--model", "register", "--independent"]);
    assert!(code == 2 && text.contains("they are for EDN; this is jepsen-log"), "{code} {text}");
    let (code, text) = told(squall(&["bench", "checker", "--ops", "5"]));
    assert!(code == 2 && text.contains("--generate"), "{code} {text}");
    let (code, text) = told(squall(&["check", "/no/such/file", "--model", "register"]));
    assert!(code == 2 && text.contains("/no/such/file"), "{code} {text}");
}
