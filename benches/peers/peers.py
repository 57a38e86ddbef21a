#!/usr/bin/env python3
"""Postlode's vectors beside those of others, on the same vectors in one run.

    python3 -m venv target/peers && target/peers/bin/pip install faiss-cpu hnswlib usearch numpy
    cargo build --locked --release -p postlode -p postlode-benches
    target/release/vectors target/bench/vectors
    target/peers/bin/python benches/peers/peers.py target/bench/vectors

Each is built with M 16 and ef_construction 128 on all cores, and asked one question after another on one thread. Rounds
are interleaved, so that a machine that is slow for a while is slow for all; the median of the rounds counts. CODES=sq8,b4 says
which of Postlode's codes take part."""
import json, os, resource, statistics, subprocess, sys, time
import numpy as np

FOLDER = sys.argv[1]
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
EFS = [10, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192]
TARGETS = (0.95, 0.99)
CODES = os.environ.get("CODES", "sq8,b4").split(",")
POSTLODE = os.environ.get("POSTLODE", "target/release/postlode")


def vecs(name, kind):
    words = np.fromfile(f"{FOLDER}/{name}", np.int32)
    return words.reshape(-1, words[0] + 1)[:, 1:].copy().view(kind)


base, queries, truth = vecs("base.fvecs", np.float32), vecs("query.fvecs", np.float32), vecs("truth.ivecs", np.int32)


def cpu():
    times = resource.getrusage(resource.RUSAGE_SELF)
    return times.ru_utime + times.ru_stime


def faiss_sq8():
    import faiss
    index = faiss.index_factory(base.shape[1], "HNSW16,SQ8", faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 128
    index.train(base[:: max(1, len(base) // 50000)])
    index.add(base)
    size = len(faiss.serialize_index(index))
    faiss.omp_set_num_threads(1)

    def ask(ef):
        index.hnsw.efSearch = ef
        return lambda query: index.search(query[None], 10)[1][0]
    return ask, size


def hnswlib_f32():
    import hnswlib
    index = hnswlib.Index("ip", base.shape[1])
    index.init_index(len(base), ef_construction=128, M=16)
    index.add_items(base)
    index.set_num_threads(1)
    index.save_index(f"{FOLDER}/hnswlib.tmp")
    size = os.path.getsize(f"{FOLDER}/hnswlib.tmp")
    os.remove(f"{FOLDER}/hnswlib.tmp")

    def ask(ef):
        index.set_ef(ef)
        return lambda query: index.knn_query(query, 10, num_threads=1)[0][0]
    return ask, size


def usearch_i8():
    from usearch.index import Index
    index = Index(ndim=base.shape[1], metric="ip", dtype="i8", connectivity=16, expansion_add=128)
    index.add(np.arange(len(base)), base)

    def ask(ef):
        index.expansion_search = ef
        return lambda query: index.search(query, 10, threads=1).keys
    return ask, index.serialized_length


def measured(ask):
    points = []
    for ef in EFS:
        one = ask(ef)
        for query in queries[:50]:
            one(query)
        times, found = [], 0
        for query, right in zip(queries, truth):
            since = time.perf_counter()
            hits = one(query)
            times.append(time.perf_counter() - since)
            found += len(set(map(int, hits)) & set(right[:10].tolist()))
        times.sort()
        points.append(dict(ef=ef, recall=found / (10 * len(queries)), qps=len(queries) / sum(times),
                           p50_us=times[len(times) // 2] * 1e6, p99_us=times[len(times) * 99 // 100] * 1e6))
        if points[-1]["recall"] > 0.997:
            break
    return points


def ours(codes):
    out = subprocess.run([POSTLODE, "bench", "vectors", "--json", "--base", f"{FOLDER}/base.fvecs", "--query",
                          f"{FOLDER}/query.fvecs", "--truth", f"{FOLDER}/truth.ivecs", "--runs", "1", "--ef",
                          ",".join(map(str, EFS)), "--codes", codes], check=True, capture_output=True, text=True).stdout
    lines = [json.loads(line) for line in out.splitlines()]
    return lines[:-1], lines[-1]


results = {}
peers = {}
for name, build in (("faiss HNSW16,SQ8", faiss_sq8), ("hnswlib", hnswlib_f32), ("usearch i8", usearch_i8)):
    since, used = time.time(), cpu()
    ask, size = build()
    peers[name] = ask
    results[name] = dict(rounds=[], wall=time.time() - since, cpu=cpu() - used, size=size)
    print(f"built {name}", file=sys.stderr, flush=True)
for number in range(ROUNDS):
    for codes in CODES:
        points, built = ours(codes)
        own = results.setdefault(f"postlode {codes}", dict(rounds=[], wall=built["build_seconds"],
                                                           cpu=built["build_cpu_seconds"], size=built["bytes"]))
        own["rounds"].append(points)
    for name, ask in peers.items():
        results[name]["rounds"].append(measured(ask))
    print(f"round {number + 1} of {ROUNDS}", file=sys.stderr, flush=True)

print(f"{len(base)} x {base.shape[1]}, {len(queries)} questions, one thread, median of {ROUNDS} rounds")
print(f"{'':18}{'build s':>9}{'cpu s':>8}{'MB':>8}" + "".join(f"{'recall':>10}{'ef':>5}{'queries/s':>11}{'p99/p50':>9}" for _ in TARGETS))
for name, result in results.items():
    line = f"{name:18}{result['wall']:9.1f}{result['cpu']:8.1f}{result['size'] / 1e6:8.1f}"
    for target in TARGETS:
        # The fewest in sight with which every round reached it.
        good = [ef for ef in EFS if all(any(p["ef"] == ef and p["recall"] >= target for p in r) for r in result["rounds"])]
        if not good:
            line += f"{'never':>10}{'':25}"
            continue
        points = [next(p for p in r if p["ef"] == good[0]) for r in result["rounds"]]
        middle = statistics.median
        line += (f"{middle(p['recall'] for p in points):10.4f}{good[0]:5}{middle(p['qps'] for p in points):11.0f}"
                 f"{middle(p['p99_us'] / p['p50_us'] for p in points):9.2f}")
    print(line)
