"""The Python SDK, `watcherclient.client`: every public call of every manager is used at least once."""

import inspect
import os
import unittest

from keystoneauth1 import loading, session
from watcherclient import client as watcher
from watcherclient import exceptions
from watcherclient.common import base

import support
from support import fresh, plan_of_nops, sdk, wait

called = set()


def managers(client):
    return {name: value for name, value in vars(client).items() if isinstance(value, base.Manager)}


def public_calls(client):
    return {
        (name, call)
        for name, manager in managers(client).items()
        for call, _ in inspect.getmembers(type(manager), inspect.isfunction)
        if not call.startswith("_")
    }


class Counted:
    """A client that remembers which of its calls were used."""

    def __init__(self, client):
        for name, manager in managers(client).items():
            setattr(self, name, CountedManager(name, manager))


class CountedManager:
    def __init__(self, name, manager):
        self._name, self._manager = name, manager

    def __getattr__(self, call):
        called.add((self._name, call))
        return getattr(self._manager, call)


def tearDownModule():
    missing = public_calls(sdk()) - called
    if missing:
        raise AssertionError(f"calls that no test uses: {sorted(missing)}")


class Sdk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = Counted(sdk())

    def test_goals(self):
        goals = self.client.goal.list(detail=True)
        self.assertTrue({"dummy", "server_consolidation"} <= {goal.name for goal in goals})
        self.assertEqual(self.client.goal.get("dummy").uuid, next(g.uuid for g in goals if g.name == "dummy"))

    def test_strategies(self):
        strategies = self.client.strategy.list(goal="dummy", detail=True)
        self.assertIn("dummy", [strategy.name for strategy in strategies])
        self.assertEqual(self.client.strategy.get("dummy").goal_name, "dummy")
        state = self.client.strategy.state("dummy")
        self.assertEqual([requirement.type for requirement in state], ["Datasource", "Metrics", "CDM", "Name"])

    def test_scoring_engines(self):
        engines = self.client.scoring_engine.list(detail=True)
        self.assertIn("dummy_scorer", [engine.name for engine in engines])
        self.assertEqual(self.client.scoring_engine.get("dummy_scorer").name, "dummy_scorer")

    def test_services(self):
        services = self.client.service.list(detail=True)
        self.assertEqual({s.name for s in services}, {"watcher-decision-engine", "watcher-applier"})
        self.assertEqual(self.client.service.get(services[0].id).status, "ACTIVE")

    def test_data_model(self):
        self.assertTrue(self.client.data_model.list(data_model_type="compute").context)

    def test_audit_templates(self):
        name = fresh("template")
        made = self.client.audit_template.create(
            name=name, goal="dummy", strategy="dummy", description="by the SDK", default_parameters={"para1": 2.0}
        )
        self.assertEqual(self.client.audit_template.get(name).default_parameters, {"para1": 2.0})
        self.assertIn(name, [t.name for t in self.client.audit_template.list(goal="dummy", detail=True)])
        patch = [{"op": "replace", "path": "/description", "value": "changed"}]
        self.assertEqual(self.client.audit_template.update(made.uuid, patch).description, "changed")
        self.client.audit_template.delete(made.uuid)
        with self.assertRaises(exceptions.HTTPNotFound):
            self.client.audit_template.get(made.uuid)

    def test_audits(self):
        made = self.client.audit.create(
            goal="dummy", audit_type="CONTINUOUS", strategy="dummy", interval="3600", name=fresh("audit")
        )
        self.assertIn(made.uuid, [audit.uuid for audit in self.client.audit.list(goal="dummy", detail=True)])
        wait(lambda: self.client.audit.get(made.uuid), "ONGOING")
        patch = [{"op": "replace", "path": "/state", "value": "CANCELLED"}]
        self.assertEqual(self.client.audit.update(made.uuid, patch).state, "CANCELLED")
        self.client.audit.delete(made.uuid)
        with self.assertRaises(exceptions.HTTPNotFound):
            self.client.audit.get(made.uuid)

    def test_a_plan_runs_with_one_action_skipped(self):
        audit, plan = plan_of_nops(self.client)
        actions = self.client.action.list(action_plan=plan.uuid, detail=True)
        sleep = next(action for action in actions if action.action_type == "sleep")
        patch = [{"op": "replace", "path": "/state", "value": "SKIPPED"}]
        self.assertEqual(self.client.action.update(sleep.uuid, patch).state, "SKIPPED")
        self.client.action_plan.start(plan.uuid)
        ended = wait(lambda: self.client.action_plan.get(plan.uuid), "SUCCEEDED")
        self.assertEqual(ended.audit_uuid, audit.uuid)
        self.assertEqual(self.client.action.get(sleep.uuid).state, "SKIPPED")
        self.client.action_plan.delete(plan.uuid)
        with self.assertRaises(exceptions.HTTPNotFound):
            self.client.action_plan.get(plan.uuid)

    def test_plans_are_cancelled_in_both_ways(self):
        _, one = plan_of_nops(self.client)
        self.client.action_plan.cancel(one.uuid)
        wait(lambda: self.client.action_plan.get(one.uuid), "CANCELLED")
        _, other = plan_of_nops(self.client)
        patch = [{"op": "replace", "path": "/state", "value": "CANCELLED"}]
        self.assertEqual(self.client.action_plan.update(other.uuid, patch).state, "CANCELLED")

    def test_lists_are_fetched_page_by_page(self):
        for _ in range(3):
            self.client.audit.create(goal="dummy", audit_type="ONESHOT", strategy="dummy", force=True)
        every = [audit.uuid for audit in self.client.audit.list(limit=0)]
        page = [audit.uuid for audit in self.client.audit.list(limit=2)]
        rest = [audit.uuid for audit in self.client.audit.list(marker=page[-1])]
        self.assertEqual(every, page + rest)

    def test_faults_become_the_exceptions_of_the_client(self):
        with self.assertRaises(exceptions.HTTPNotFound) as missing:
            self.client.audit.get("5f9b3a5e-0000-4000-8000-000000000000")
        self.assertIn("5f9b3a5e-0000-4000-8000-000000000000", str(missing.exception))
        with self.assertRaises(exceptions.HTTPBadRequest):
            self.client.audit.create(goal="dummy", audit_type="SOMETIMES")


class Versions(unittest.TestCase):
    def test_without_a_version_the_client_negotiates_one(self):
        self.assertIn("dummy", [goal.name for goal in sdk(version=None).goal.list()])

    def test_fields_come_with_their_microversion(self):
        name = fresh("template")
        made = sdk().audit_template.create(name=name, goal="dummy", strategy="dummy")
        self.assertFalse(hasattr(sdk("1.6").audit_template.get(name), "default_parameters"))
        self.assertTrue(hasattr(sdk("1.7").audit_template.get(name), "default_parameters"))
        sdk().audit_template.delete(made.uuid)

    def test_a_version_that_nobody_speaks_is_refused_with_the_range(self):
        with self.assertRaises(exceptions.UnsupportedVersion) as refusal:
            sdk("1.99").goal.list()
        self.assertIn("1.7", " ".join(str(refusal.exception).split()))


class Credentials(unittest.TestCase):
    def test_a_session_of_the_caller_serves_as_well(self):
        auth = loading.get_plugin_loader("password").load_from_options(
            auth_url=os.environ["OS_AUTH_URL"],
            username=os.environ["OS_USERNAME"],
            password=os.environ["OS_PASSWORD"],
            project_name=os.environ["OS_PROJECT_NAME"],
            user_domain_name=os.environ.get("OS_USER_DOMAIN_NAME", "Default"),
            project_domain_name=os.environ.get("OS_PROJECT_DOMAIN_NAME", "Default"),
        )
        client = watcher.get_client(
            "1",
            session=session.Session(auth=auth),
            os_infra_optim_api_version=support.NEWEST,
            os_region_name=os.environ.get("OS_REGION_NAME"),
        )
        self.assertIn("dummy", [goal.name for goal in client.goal.list()])

    def test_a_wrong_token_is_unauthorized(self):
        endpoint = sdk().http_client.get_endpoint()
        client = watcher.get_client("1", os_auth_token="nonsense", watcher_url=endpoint)
        with self.assertRaises(exceptions.Unauthorized):
            client.goal.list()


if __name__ == "__main__":
    unittest.main()
