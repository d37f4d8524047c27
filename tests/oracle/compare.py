#!/usr/bin/env python3
"""Compares our decisions with those of the original on random cases.

  compare.py --strategy NAME --seeds FIRST LAST --decide COMMAND [--scope] [--keep DIR] [CASE...]

Makes one random case per seed (the same seed makes the same case) and reads further cases from files. COMMAND is run as
`COMMAND --report-dir DIR --case FILE --case FILE ...`; `{case}` in it stands for a way to pass cases without `--case`:
`COMMAND --report-dir DIR FILE FILE ...`. Prints each difference and a summary; the exit status is 1 when ours differs where the
original gives an answer.

WATCHER_SHARED names the folder with `oracle/oracle.py`, ORACLE_PYTHON the Python that runs it. Only the standard library is needed here.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

FLAVORS = [(1, 512, 1), (1, 1024, 10), (2, 2048, 20), (2, 4096, 0), (4, 8192, 40), (8, 16384, 80), (3, 3000, 7)]


def metric(rng, low, high, style):
    """A measurement, or None: missing, zero, round (so that ties happen) or any."""
    kind = rng.random()
    if kind < style["missing"]:
        return None
    if kind < style["missing"] + style["zero"]:
        return rng.choice([0, 0.0])
    if style["round"]:
        return rng.choice([low, high, (low + high) / 2, low + (high - low) / 4])
    return rng.uniform(low, high)


def random_cluster(rng):
    count = rng.choice([0, 1, 1, 2, 2, 3, 4, 5, 6, 8, 10, 12, 20]) if rng.random() < 0.9 else rng.randint(20, 40)
    style = {
        "missing": rng.choice([0, 0, 0, 0.05, 0.3]),
        "zero": rng.choice([0, 0, 0.05, 0.3]),
        "round": rng.random() < 0.4,
    }
    same = rng.random() < 0.3
    ratios = rng.random() < 0.4
    trouble = rng.random() < 0.5
    nodes = []
    for i in range(count):
        vcpus, memory, disk = (16, 32768, 500) if same else rng.choice(
            [(8, 16384, 200), (16, 32768, 500), (32, 65536, 1000), (4, 8000, 100)])
        node = {"uuid": "%08x-0000-4000-8000-%012x" % (rng.getrandbits(32), i), "hostname": "host%d" % i,
                "vcpus": vcpus, "memory": memory, "disk": disk}
        if ratios:
            node.update(vcpu_ratio=rng.choice([1.0, 2.0, 1.5, 16.0, 0.9]), memory_ratio=rng.choice([1.0, 1.5, 0.8]),
                        disk_ratio=rng.choice([1.0, 1.3]))
            node.update(vcpu_reserved=rng.choice([0, 1, 2]), memory_mb_reserved=rng.choice([0, 512, 4096]),
                        disk_gb_reserved=rng.choice([0, 10, 50]))
        if trouble:
            node["status"] = rng.choice(["enabled", "enabled", "enabled", "disabled"])
            node["state"] = rng.choice(["up", "up", "up", "up", "down"])
            if rng.random() < 0.02:
                node[rng.choice(["vcpus", "memory", "disk"])] = 0
        nodes.append(node)
    instances = []
    for i in range(rng.randint(0, count * rng.choice([1, 3, 5, 8])) if count else rng.randint(0, 3)):
        vcpus, memory, disk = FLAVORS[2] if same and rng.random() < 0.8 else rng.choice(FLAVORS)
        instance = {"uuid": "%08x-0000-4000-8001-%012x" % (rng.getrandbits(32), i), "name": "vm%d" % i,
                    "node": rng.choice(nodes)["hostname"] if nodes else None,
                    "vcpus": vcpus, "memory": memory, "disk": disk}
        if trouble:
            instance["state"] = rng.choice(["active"] * 6 + ["paused", "stopped", "error", "suspended"])
            instance["watcher_exclude"] = rng.random() < 0.1
            if rng.random() < 0.05:
                instance["node"] = None
            if rng.random() < 0.005:
                instance[rng.choice(["vcpus", "memory"])] = 0
        if rng.random() < 0.3:
            instance["metadata"] = {"tier": rng.choice(["gold", "Gold", "tin"]), "optimize": rng.choice(["true", "False", "1"])}
        instance["project_id"] = "00000000-0000-4000-8000-00000000000%d" % rng.randint(0, 3)
        instances.append(instance)
    hosts, guests = {}, {}
    derived = rng.random() < 0.5
    for instance in instances:
        values = {
            "instance_cpu_usage": metric(rng, 1, 100, style),
            "instance_ram_usage": metric(rng, 100, instance["memory"] or 1, style),
            "instance_ram_allocated": metric(rng, 100, instance["memory"] or 1, style),
            "instance_root_disk_size": metric(rng, 1, max(instance["disk"], 1), style),
        }
        guests[instance["uuid"]] = {k: v for k, v in values.items() if v is not None or rng.random() < 0.5}
    for node in nodes:
        cpu, ram = metric(rng, 1, 100, style), metric(rng, 1000, node["memory"] * 1024 + 1, style)
        if derived and node["vcpus"]:
            mine = [i for i in instances if i["node"] == node["hostname"]]
            cpu = sum(i["vcpus"] * (guests[i["uuid"]].get("instance_cpu_usage") or 0) for i in mine) / node["vcpus"]
            ram = sum((guests[i["uuid"]].get("instance_ram_usage") or 0) for i in mine) * 1024
        if rng.random() < 0.02:
            cpu = None
        hosts[rng.choice([node["hostname"], node["uuid"]])] = {"host_cpu_usage": cpu, "host_ram_usage": ram}
    return {"compute": {"nodes": nodes, "instances": instances}, "metrics": {"host": hosts, "instance": guests}}


def random_parameters(rng, strategy):
    if rng.random() < 0.2 and strategy != "workload_stabilization":
        return {}
    if strategy == "basic":
        return {k: v for k, v in {"migration_attempts": rng.choice([0, 0, 1, 2, 5]), "period": 3600,
                                  "aggregation_method": {"instance": "max"}}.items() if rng.random() < 0.5}
    if strategy == "vm_workload_consolidation":
        return {k: v for k, v in {"period": 600, "granularity": 60}.items() if rng.random() < 0.5}
    cpu, ram = "instance_cpu_usage", "instance_ram_usage"
    given = {"host_choice": rng.choice(["cycle", "cycle", "fullsearch"]),
             "metrics": rng.choice([[cpu], [cpu], [ram], [cpu, ram], [ram, cpu], [cpu, cpu]])}
    if rng.random() < 0.8:
        given["thresholds"] = {cpu: rng.choice([0, 0.01, 0.05, 0.2]), ram: rng.choice([0, 0.01, 0.05, 0.2])}
    if rng.random() < 0.5:
        given["weights"] = {cpu + "_weight": rng.choice([0, 0.3, 0.7, 1]), ram + "_weight": rng.choice([0.0, 0.3, 1])}
    if rng.random() < 0.3:
        given["periods"] = {"instance": 300, "compute_node": 300}
    return given


def random_scope(rng, case):
    """An audit scope, and the aggregates and zones that it may name."""
    names = [node["hostname"] for node in case["compute"]["nodes"]]
    pick = lambda: [name for name in names if rng.random() < 0.6]
    case["aggregates"] = [{"id": i, "name": "aggregate%d" % i, "hosts": pick()} for i in (1, 2, 3)]
    case["services"] = [{"host": name, "zone": rng.choice(["nova", "edge"])} for name in names]
    uuids = [instance["uuid"] for instance in case["compute"]["instances"]]
    rules = []
    if rng.random() < 0.5:
        rules.append({"host_aggregates": rng.choice([[{"id": 1}], [{"name": "aggregate2"}], [{"id": "*"}], [{"id": 1}, {"id": 3}]])})
    if rng.random() < 0.3:
        rules.append({"availability_zones": [{"name": rng.choice(["nova", "edge", "*", "none"])}]})
    exclude = []
    if uuids and rng.random() < 0.5:
        exclude.append({"instances": [{"uuid": rng.choice(uuids)}]})
    if names and rng.random() < 0.3:
        exclude.append({"compute_nodes": [{"name": rng.choice(names)}]})
    if rng.random() < 0.3:
        exclude.append({"projects": [{"uuid": "00000000-0000-4000-8000-000000000001"}]})
    if rng.random() < 0.3:
        exclude.append({"instance_metadata": [{"tier": "gold"}]})
    if exclude:
        rules.append({"exclude": exclude})
    case["scope"] = [{"compute": rules}]


def random_case(strategy, seed, scope):
    rng = random.Random("%s %d" % (strategy, seed))
    case = random_cluster(rng)
    case.update(strategy=strategy, seed=seed, parameters=random_parameters(rng, strategy))
    if scope:
        random_scope(rng, case)
    return case


def run_oracle(files, folder, batch=40):
    """The original's answer for each case file; answers in `folder` are used again when the case is the same."""
    known = {}
    for file in files:
        answer = folder / file.name
        if answer.exists():
            stored = json.loads(answer.read_text())
            if stored["case"] == file.read_text():
                known[file] = stored["answer"]
    missing = [file for file in files if file not in known]
    oracle = pathlib.Path(os.environ["WATCHER_SHARED"]) / "oracle" / "oracle.py"
    python = os.environ.get("ORACLE_PYTHON", sys.executable)
    environment = dict(os.environ, PYTHONHASHSEED="0")
    for start in range(0, len(missing), batch):
        command = [python, str(oracle), *map(str, missing[start:start + batch]), "--compact"]
        run = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        answers = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
        if len(answers) != len(missing[start:start + batch]):
            sys.exit("the oracle answered %d of %d cases: %s" % (len(answers), len(missing[start:start + batch]), run.stderr[-1000:]))
        for file, answer in zip(missing[start:], answers):
            known[file] = answer
            (folder / file.name).write_text(json.dumps({"case": file.read_text(), "answer": answer}))
    return [known[file] for file in files]


def run_ours(command, files, folder):
    words = [word for word in command.split() if word != "{case}"] + ["--report-dir", str(folder)]
    for file in files:
        words += ([] if "{case}" in command else ["--case"]) + [str(file)]
    subprocess.run(words, check=False, stdout=subprocess.DEVNULL)
    answers = []
    for file in files:
        report = folder / file.name
        answers.append(json.loads(report.read_text()) if report.exists() else {"error": "no report"})
    return answers


def by_name(indicators):
    return indicators if isinstance(indicators, dict) else {i["name"]: i["value"] for i in indicators or []}


def same(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return abs(a - b) <= 1e-9
    return a == b


def reduced(answer):
    """The parts of an oracle answer, or of one of our reports, that must agree."""
    if "plan" in answer and isinstance(answer["plan"], dict):
        plan = answer["plan"].get("actions", [])
    else:
        plan = answer.get("plan") or [a for a in answer.get("actions", []) if "parents" in a]
    keep = lambda action, keys: {key: action[key] for key in keys}
    parts = {
        "plan": [keep(a, ("action_type", "input_parameters", "parents")) for a in plan],
        "efficacy_indicators": by_name(answer.get("efficacy_indicators")),
        "global_efficacy": by_name(answer.get("global_efficacy")),
    }
    actions = answer.get("actions", [])
    if not any("parents" in action for action in actions):
        parts["actions"] = [keep(a, ("action_type", "input_parameters")) for a in actions]
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategy", default="basic")
    parser.add_argument("--seeds", type=int, nargs=2, default=[0, -1])
    parser.add_argument("--decide", required=True)
    parser.add_argument("--scope", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("cases", type=pathlib.Path, nargs="*")
    options = parser.parse_args()
    folder = options.keep or pathlib.Path(tempfile.mkdtemp())
    for name in ("reports", "oracle"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    files = list(options.cases)
    for seed in range(options.seeds[0], options.seeds[1] + 1):
        file = folder / ("%s-%d.json" % (options.strategy, seed))
        file.write_text(json.dumps(random_case(options.strategy, seed, options.scope)))
        files.append(file)
    theirs = run_oracle(files, folder / "oracle")
    ours = run_ours(options.decide, files, folder / "reports")
    summary, errors = collections.Counter(), collections.Counter()
    for file, their, our in zip(files, theirs, ours):
        if their.get("error") or their.get("plan_error"):
            kind = (their.get("error") or their["plan_error"]).split(":")[0]
            errors["%s -> %s" % (kind, our.get("error") or "an answer of ours")] += 1
            summary["original fails"] += 1
            continue
        parts = (reduced(their), reduced(our))
        if not our.get("error") and all(same(parts[0][key], parts[1].get(key, parts[0][key])) for key in parts[0]):
            summary["equal, with actions" if parts[0]["plan"] else "equal, nothing to do"] += 1
            continue
        order = lambda part: sorted(json.dumps(a["input_parameters"], sort_keys=True) for a in part["plan"])
        kind = "differs in order only" if order(parts[0]) == order(parts[1]) else "DIFFERS"
        summary[kind] += 1
        print(kind, file, our.get("error") or "", our.get("message") or "")
    for kind, count in sorted(summary.items()):
        print("%5d %s" % (count, kind))
    for kind, count in sorted(errors.items()):
        print("%5d   %s" % (count, kind))
    return 1 if summary["DIFFERS"] or summary["differs in order only"] else 0


if __name__ == "__main__":
    sys.exit(main())
