"""Throws requests made from the API's description at a service, and checks every answer.

usage: run.py [OPTION...]

Takes a token and the endpoint by the credentials in OS_*, and runs schemathesis with all its checks and with OPTION... besides:
once in the highest microversion, with names that nothing has, and once in any, with names that are taken.
"""

import os
import subprocess
import sys
import time
import uuid

import requests

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIGURATION = os.path.join(HERE, "schemathesis.toml")
LATEST = {"OpenStack-API-Version": "infra-optim latest"}
# How long an audit may take to recommend a plan, in seconds.
PATIENCE = 60


def log_in(environment):
    """A token, and where the service is."""
    user_domain, project_domain = ({"name": environment[name]} for name in ("OS_USER_DOMAIN_NAME", "OS_PROJECT_DOMAIN_NAME"))
    user = {"name": environment["OS_USERNAME"], "password": environment["OS_PASSWORD"], "domain": user_domain}
    project = {"name": environment["OS_PROJECT_NAME"], "domain": project_domain}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": project}}}
    answer = requests.post(environment["OS_AUTH_URL"] + "/auth/tokens", json=body, timeout=30)
    answer.raise_for_status()
    services = {service["type"]: service for service in answer.json()["token"]["catalog"]}
    endpoints = services["infra-optim"]["endpoints"]
    url = next(endpoint["url"] for endpoint in endpoints if endpoint["interface"] == "public")
    return answer.headers["X-Subject-Token"], url


def first(rows):
    """The first of the rows, as soon as there is one."""
    deadline = time.monotonic() + PATIENCE
    while not (found := rows()):
        if time.monotonic() > deadline:
            sys.exit(f"there is nothing after {PATIENCE} s")
        time.sleep(0.1)
    return found[0]


def make_items(url, headers):
    """Something of every kind: what stands for the variables of paths."""
    def ask(method, path, body=None):
        answer = requests.request(method, url + path, headers=headers, json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    # The run before may have taken every name, and deleted every plan.
    name = "fuzz-" + uuid.uuid4().hex[:8]
    goal, strategy = "server_consolidation", "basic"
    template = ask("POST", "/v1/audit_templates", {"name": name, "goal": goal, "strategy": strategy})
    audit = ask("POST", "/v1/audits", {"name": name, "audit_type": "EVENT", "goal": goal, "strategy": strategy})
    decided = ask("POST", "/v1/audits", {"audit_type": "ONESHOT", "goal": "dummy", "strategy": "dummy", "force": True})
    plan = first(lambda: ask("GET", "/v1/action_plans?audit_uuid=" + decided["uuid"])["action_plans"])
    action = first(lambda: ask("GET", "/v1/actions?action_plan_uuid=" + plan["uuid"])["actions"])
    items = {
        "goal": goal, "strategy": strategy, "audit_template": template["uuid"], "audit": audit["uuid"],
        "action_plan": plan["uuid"], "action": action["uuid"],
    }
    for name, collection in (("service", "services"), ("scoring_engine", "scoring_engines")):
        rows = ask("GET", "/v1/" + collection)[collection]
        if rows:
            items[name] = rows[0]["name"]
    return items


def run(url, headers, options, configuration=CONFIGURATION):
    """The exit status of one run."""
    command = [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "--config-file", configuration, "run"]
    command += [url + "/openapi.json", "--checks", "all", "--continue-on-failure"]
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    return subprocess.run(command + options, check=False).returncode


def main():
    options = sys.argv[1:]
    token, url = log_in(os.environ)
    with_token = {"X-Auth-Token": token}
    status = run(url, with_token | LATEST, options)
    items = make_items(url, with_token | LATEST)
    known = os.path.abspath("schemathesis-known.toml")
    with open(CONFIGURATION, encoding="utf-8") as base, open(known, "w", encoding="utf-8") as file:
        file.write(base.read() + "\n[parameters]\n")
        file.writelines(f'"path.{name}" = "{value}"\n' for name, value in items.items())
    # Both in any case.
    return max(status, run(url, with_token, options, known))


if __name__ == "__main__":
    sys.exit(main())
