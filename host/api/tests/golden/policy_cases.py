"""Writes random policy rules with the decisions of oslo.policy, one JSON object per line.

    python policy_cases.py COUNT [SEED] > policy_cases.jsonl

Needs the package oslo.policy. Each line: `rules` by name (rule `asked` is the one asked for), `caller`, `target`, `holds`.
"""

import json
import random
import sys

from oslo_policy import _parser

WORDS = ["a", "b", "p1", "p2", "admin", "None", "True", "7"]
ROLES = ["admin", "member", "reader", "Service", "a", "p1"]
ONE = [
    "user_id", "user_domain_id", "project_id", "project_domain_id", "domain_id",
    "service_user_id", "service_user_domain_id", "service_project_id", "service_project_domain_id",
]
TARGET = ["project_id", "user_id", "uuid", "name", "state"]
OLDER = {"user": "user_id", "user_domain": "user_domain_id", "project": "project_id",
         "project_domain": "project_domain_id", "domain": "domain_id", "system": "system_scope"}


def value(draw):
    kind = draw.random()
    if kind < 0.5:
        return draw.choice(WORDS)
    if kind < 0.9:
        return "%%(%s)s" % draw.choice(TARGET)
    return draw.choice(["p%%(%s)s" % draw.choice(TARGET), "a%%b", "%%", "%(project_id)s%(user_id)s"])


def atom(draw, rules):
    kind = draw.random()
    if kind < 0.06:
        return "@"
    if kind < 0.12:
        return "!"
    if kind < 0.42:
        return "role:" + (draw.choice(ROLES + ["ADMIN", "nobody"]) if draw.random() < 0.9 else value(draw))
    if kind < 0.57 and rules:
        return "rule:" + draw.choice(rules)
    if kind < 0.85:
        name = draw.choice(ONE + ["system_scope", "roles", "service_roles", "is_admin", "is_admin_project"] + list(OLDER))
        return name + ":" + (value(draw) if name != "system_scope" else draw.choice(["all", "None", value(draw)]))
    return draw.choice(["'p1'", '"a"', "7", "-7", "0", "True", "False", "None", "'None'", "'b'"]) + ":" + value(draw)


def expression(draw, rules, depth=0):
    kind = draw.random()
    if depth > 4 or kind < 0.35:
        text = atom(draw, rules)
        return "(" + text + ")" if draw.random() < 0.1 else text
    if kind < 0.5:
        inner = expression(draw, rules, depth + 1)
        if " " in inner and not inner.startswith("("):
            inner = "(" + inner + ")"
        return draw.choice(["not ", "NOT ", "not  "]) + inner
    word = draw.choice([" and ", " or ", " AND ", " Or  ", "\tand\n", " or "])
    text = word.join(expression(draw, rules, depth + 1) for _ in range(draw.randint(2, 4)))
    return draw.choice(["(%s)", "%s", "( %s )", "%s"]) % text


def case(draw):
    rules = {}
    for name in ["first", "second:rule", "asked"]:
        rules[name] = expression(draw, list(rules))
    maybe = lambda words: draw.choice(words) if draw.random() < 0.7 else None
    caller = {name: maybe(["a", "b", "p1", "p2"]) for name in ONE}
    caller["roles"] = draw.sample(ROLES, draw.randint(0, 3))
    caller["service_roles"] = draw.sample(ROLES, draw.randint(0, 2))
    caller["system_scope"] = "all" if draw.random() < 0.3 else None
    caller["is_admin"] = True if draw.random() < 0.3 else None
    caller["is_admin_project"] = draw.random() < 0.7
    target = {name: draw.choice(WORDS) for name in TARGET if draw.random() < 0.7}
    return {"rules": rules, "caller": caller, "target": target}


class Enforcer:
    def __init__(self, rules):
        self.rules = rules


def decide(given):
    rules = {name: _parser.parse_rule(text) for name, text in given["rules"].items()}
    caller = dict(given["caller"])
    caller.update({older: caller[name] for older, name in OLDER.items()})
    return bool(rules["asked"](given["target"], caller, Enforcer(rules), "asked"))


def main():
    draw = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    for _ in range(int(sys.argv[1])):
        given = case(draw)
        given["holds"] = decide(given)
        given["caller"] = {name: value for name, value in given["caller"].items() if value not in (None, [])}
        print(json.dumps(given, separators=(",", ":")))


main()
