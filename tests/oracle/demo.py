#!/usr/bin/env python3
"""Compares a whole run of the demo with the original's decision on the same cluster.

  demo.py --demo COMMAND CLUSTER STRATEGY [PARAMETERS-AS-JSON]

Runs `COMMAND --cluster CLUSTER --strategy STRATEGY --params PARAMETERS --report FILE` (for example `cargo xtask demo`) and the original's own
strategy and planner on the same file, and checks: the same actions with the same parameters and parents, every action SUCCEEDED, the same
efficacy, and every instance where the plan put it (the others where they were), as the cloud tells afterwards.

WATCHER_SHARED names the folder with `oracle/oracle.py`, ORACLE_PYTHON the Python that runs it. Only the standard library is needed here.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile

from compare import reduced, same


def original(cluster, strategy, parameters):
    python = os.environ.get("ORACLE_PYTHON", sys.executable)
    oracle = os.path.join(os.environ.get("WATCHER_SHARED", "../shared"), "oracle", "oracle.py")
    run = subprocess.run(
        [python, oracle, "--cluster", cluster, "--strategy", strategy, "--params", parameters, "--compact"],
        env={**os.environ, "PYTHONHASHSEED": "0"}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return json.loads(run.stdout)


def ours(command, cluster, strategy, parameters):
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.json")
        options = ["--cluster", cluster, "--strategy", strategy, "--params", parameters, "--report", report]
        subprocess.run([*command, *options], stdout=subprocess.DEVNULL, check=True)
        with open(report) as file:
            return json.load(file)


def differences_of(cluster_file, here, there):
    with open(cluster_file) as file:
        compute = json.load(file)["compute"]
    differences = []
    parts_here, parts_there = reduced(here), reduced(there)
    plan_here, plan_there = parts_here["plan"], parts_there["plan"]
    if plan_here != plan_there:
        pairs = enumerate(zip(plan_here, plan_there))
        first = next((i for i, (a, b) in pairs if a != b), min(len(plan_here), len(plan_there)))
        differences.append(f"plans of {len(plan_here)} and {len(plan_there)} actions differ from action {first} on")
    states = {action["state"] for action in here["actions"]}
    if states - {"SUCCEEDED"} or here["plan_state"] != "SUCCEEDED":
        differences.append(f"plan {here['plan_state']}, actions {sorted(states)}")
    for key in ("efficacy_indicators", "global_efficacy"):
        if not same(parts_here[key], parts_there[key]):
            differences.append(f"{key}: {parts_here[key]}, was {parts_there[key]}")
    hosts = {node["uuid"]: node["hostname"] for node in compute["nodes"]}
    placed = [instance for instance in compute["instances"] if instance.get("node")]
    expected = {instance["uuid"]: hosts.get(instance["node"], instance["node"]) for instance in placed}
    for action in plan_there:
        if action["action_type"] == "migrate":
            expected[action["input_parameters"]["resource_id"]] = action["input_parameters"]["destination_node"]
    after = here["placement_after"]
    misplaced = [uuid for uuid, host in expected.items() if after.get(uuid) != host]
    if misplaced:
        differences.append(f"{len(misplaced)} instances are not where they should be, the first is {misplaced[0]}")
    return differences


def main():
    arguments = sys.argv[1:]
    if len(arguments) not in (4, 5) or arguments[0] != "--demo":
        sys.exit(__doc__)
    command, cluster, strategy = shlex.split(arguments[1]), arguments[2], arguments[3]
    parameters = arguments[4] if len(arguments) == 5 else "{}"
    there = original(cluster, strategy, parameters)
    error = there.get("error") or there.get("plan_error")
    if error:
        sys.exit(f"the original gives no answer: {error}")
    here = ours(command, cluster, strategy, parameters)
    differences = differences_of(cluster, here, there)
    for difference in differences:
        print(difference)
    moves = sum(action["action_type"] == "migrate" for action in here["actions"])
    what = f"{strategy} on {os.path.basename(cluster)}, {len(here['actions'])} actions, {moves} migrations"
    print(f"{'DIFFERENT' if differences else 'equal'}: {what}, seconds {here['seconds']}")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
