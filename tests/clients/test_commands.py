"""Every `openstack optimize …` command of the stock client, each used at least once."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from watcherclient.v1 import resource_fields as fields

import support
from support import fresh, known_commands, openstack, plan_of_nops, plain, refused, sdk, used_commands, wait


def optimize(*words):
    return openstack("optimize", *words)


def tearDownModule():
    missing = known_commands() - used_commands
    if missing:
        raise AssertionError(f"commands that no test uses: {sorted(missing)}")


class Catalogue(unittest.TestCase):
    """What the service offers."""

    def test_goals_are_listed_with_the_columns_of_the_client(self):
        brief, detailed = optimize("goal", "list"), optimize("goal", "list", "--detail")
        self.assertEqual(list(brief[0]), fields.GOAL_SHORT_LIST_FIELD_LABELS)
        self.assertEqual(list(detailed[0]), fields.GOAL_FIELD_LABELS)
        self.assertIn("dummy", [goal["Name"] for goal in brief])

    def test_a_goal_is_shown_by_name_and_by_uuid(self):
        shown = optimize("goal", "show", "server_consolidation")
        self.assertEqual(optimize("goal", "show", shown["UUID"]), shown)
        self.assertEqual(list(shown), fields.GOAL_FIELD_LABELS)

    def test_strategies_of_a_goal_are_listed(self):
        rows = optimize("strategy", "list", "--goal", "dummy", "--detail")
        self.assertIn("dummy", [row["Name"] for row in rows])
        self.assertEqual({row["Goal"] for row in rows}, {"dummy"})
        self.assertEqual(list(rows[0]), fields.STRATEGY_FIELD_LABELS)

    def test_a_strategy_is_shown_with_its_parameters(self):
        shown = optimize("strategy", "show", "dummy")
        self.assertEqual(shown["Goal"], "dummy")
        self.assertIn("para1", str(shown["Parameters spec"]))

    def test_the_state_of_a_strategy_names_what_it_needs(self):
        rows = optimize("strategy", "state", "vm_workload_consolidation")
        self.assertEqual(list(rows[0]), fields.STRATEGY_STATE_FIELD_LABELS)
        self.assertEqual([row["Type"] for row in rows], ["Datasource", "Metrics", "CDM", "Name"])

    def test_scoring_engines_are_listed_and_shown(self):
        rows = optimize("scoringengine", "list", "--detail")
        self.assertIn("dummy_scorer", [row["Name"] for row in rows])
        shown = optimize("scoringengine", "show", "dummy_scorer")
        self.assertEqual(list(shown), fields.SCORING_ENGINE_FIELD_LABELS)

    def test_services_are_listed_and_shown(self):
        rows = optimize("service", "list")
        self.assertEqual({row["Name"] for row in rows}, {"watcher-decision-engine", "watcher-applier"})
        self.assertEqual({row["Status"] for row in rows}, {"ACTIVE"})
        shown = optimize("service", "show", rows[0]["ID"])
        self.assertEqual(list(shown), fields.SERVICE_FIELD_LABELS)

    def test_the_data_model_lists_servers_with_their_hosts(self):
        brief, detailed = optimize("datamodel", "list"), optimize("datamodel", "list", "--detail")
        self.assertTrue(brief)
        self.assertEqual(list(brief[0]), fields.COMPUTE_MODEL_SHORT_LIST_FIELD_LABELS)
        self.assertEqual(list(detailed[0]), fields.COMPUTE_MODEL_LIST_FIELD_LABELS)
        self.assertTrue(any(row["Server UUID"] and row["Node Host Name"] for row in brief))


class Templates(unittest.TestCase):
    """Audit templates."""

    def setUp(self):
        self.name = fresh("template")

    def create(self, *options):
        created = optimize("audittemplate", "create", self.name, "dummy", "--strategy", "dummy", *options)
        self.addCleanup(support.run, "optimize", "audittemplate", "delete", created["UUID"])
        return created

    def test_a_template_is_created_listed_shown_changed_and_deleted(self):
        created = self.create("--description", "by the stock client")
        self.assertEqual(list(created), fields.AUDIT_TEMPLATE_FIELD_LABELS)
        self.assertEqual((created["Goal"], created["Strategy"]), ("dummy", "dummy"))
        listed = optimize("audittemplate", "list", "--goal", "dummy", "--strategy", "dummy")
        self.assertIn(self.name, [row["Name"] for row in listed])
        self.assertEqual(optimize("audittemplate", "show", self.name), created)
        changed = optimize("audittemplate", "update", self.name, "replace", "description=changed")
        self.assertEqual(changed["Description"], "changed")
        self.assertIsNotNone(changed["Updated At"])
        optimize("audittemplate", "delete", self.name)
        self.assertIn(self.name, refused("optimize", "audittemplate", "show", self.name))

    def test_a_template_keeps_its_scope_and_default_parameters(self):
        with tempfile.TemporaryDirectory() as folder:
            scope = Path(folder) / "scope.yaml"
            scope.write_text("- compute:\n    - host_aggregates:\n        - id: '*'\n")
            created = self.create("--scope", scope, "-p", "para1=2.5")
        self.assertEqual(created["Audit Scope"], [{"compute": [{"host_aggregates": [{"id": "*"}]}]}])
        self.assertEqual(created["Default Parameters"], {"para1": 2.5})

    def test_an_audit_is_made_from_a_template_by_name(self):
        self.create()
        audit = optimize("audit", "create", "-a", self.name)
        self.assertEqual((audit["Goal"], audit["Strategy"], audit["Audit Type"]), ("dummy", "dummy", "ONESHOT"))


class Audits(unittest.TestCase):
    """Audits and what they recommend."""

    def test_an_audit_is_created_listed_shown_and_deleted(self):
        name = fresh("audit")
        created = optimize("audit", "create", "-g", "dummy", "-s", "dummy", "-p", "para2=hello", "--name", name)
        self.assertEqual(list(created), fields.AUDIT_FIELD_LABELS)
        self.assertEqual(created["Parameters"]["para2"], "hello")
        ended = wait(lambda: sdk().audit.get(created["UUID"]), "SUCCEEDED")
        self.assertEqual(ended.name, name)
        self.assertIn(name, [row["Name"] for row in optimize("audit", "list", "--goal", "dummy", "--strategy", "dummy")])
        self.assertEqual(optimize("audit", "show", name)["UUID"], created["UUID"])
        optimize("audit", "delete", name)
        self.assertIn("404", refused("optimize", "audit", "show", created["UUID"]))

    def test_a_continuous_audit_is_changed_and_cancelled(self):
        words = ("-t", "CONTINUOUS", "-g", "dummy", "-s", "dummy", "-i", "3600", "--name", fresh("continuous"))
        created = optimize("audit", "create", *words)
        self.assertEqual((created["Audit Type"], created["Interval"]), ("CONTINUOUS", "3600"))
        wait(lambda: sdk().audit.get(created["UUID"]), "ONGOING")
        changed = optimize("audit", "update", created["UUID"], "replace", "interval=7200")
        self.assertEqual(changed["Interval"], "7200")
        cancelled = optimize("audit", "update", created["UUID"], "replace", "state=CANCELLED")
        self.assertEqual(cancelled["State"], "CANCELLED")
        optimize("audit", "delete", created["UUID"])

    def test_lists_are_cut_sorted_and_continued(self):
        for _ in range(3):
            optimize("audit", "create", "-g", "dummy", "-s", "dummy", "--force")
        page = optimize("audit", "list", "--limit", "2", "--sort-key", "uuid", "--sort-dir", "asc")
        self.assertEqual([row["UUID"] for row in page], sorted(row["UUID"] for row in page))
        rest = optimize("audit", "list", "--sort-key", "uuid", "--marker", page[0]["UUID"], "--detail")
        self.assertGreater(min(row["UUID"] for row in rest), page[0]["UUID"])

    def test_what_the_service_refuses_is_told_in_words(self):
        said = refused("optimize", "audit", "create", "-g", "no-such-goal")
        self.assertIn("no-such-goal", said)
        said = refused("optimize", "audit", "create", "-g", "dummy", "-s", "dummy", "-p", "para1=much")
        self.assertIn("para1", said)


class Plans(unittest.TestCase):
    """Action plans and actions."""

    @classmethod
    def setUpClass(cls):
        cls.client = sdk()

    def test_a_plan_is_listed_shown_started_and_deleted(self):
        audit, plan = plan_of_nops(self.client)
        listed = optimize("actionplan", "list", "--audit", audit.uuid, "--detail")
        self.assertEqual([row["UUID"] for row in listed], [plan.uuid])
        shown = optimize("actionplan", "show", plan.uuid)
        self.assertEqual((shown["State"], shown["Strategy"], shown["Audit"]), ("RECOMMENDED", "dummy", audit.uuid))
        actions = optimize("action", "list", "--action-plan", plan.uuid)
        self.assertEqual([row["Action"] for row in actions], ["nop", "nop", "sleep"])
        self.assertEqual(optimize("action", "show", actions[0]["UUID"])["Action Plan"], plan.uuid)
        self.assertEqual(optimize("actionplan", "start", plan.uuid)["UUID"], plan.uuid)
        wait(lambda: self.client.action_plan.get(plan.uuid), "SUCCEEDED")
        states = [row["State"] for row in optimize("action", "list", "--audit", audit.uuid, "--detail")]
        self.assertEqual(set(states), {"SUCCEEDED"})
        optimize("actionplan", "delete", plan.uuid)
        self.assertIn("404", refused("optimize", "actionplan", "show", plan.uuid))

    def test_an_action_is_skipped_before_its_plan_starts(self):
        _, plan = plan_of_nops(self.client)
        sleep = next(row for row in optimize("action", "list", "--action-plan", plan.uuid) if row["Action"] == "sleep")
        words = ("--state", "SKIPPED", "--reason", "not tonight")
        skipped = optimize("action", "update", sleep["UUID"], *words)
        self.assertEqual(skipped["State"], "SKIPPED")
        self.assertIn("not tonight", skipped["Status Message"])
        optimize("actionplan", "start", plan.uuid)
        wait(lambda: self.client.action_plan.get(plan.uuid), "SUCCEEDED")
        self.assertEqual(optimize("action", "show", sleep["UUID"])["State"], "SKIPPED")

    def test_a_recommended_plan_is_cancelled(self):
        _, plan = plan_of_nops(self.client)
        optimize("actionplan", "cancel", plan.uuid)
        wait(lambda: self.client.action_plan.get(plan.uuid), "CANCELLED")

    def test_a_plan_is_started_by_changing_its_state(self):
        _, plan = plan_of_nops(self.client)
        changed = optimize("actionplan", "update", plan.uuid, "replace", "state=PENDING")
        self.assertIn(changed["State"], ("PENDING", "ONGOING", "SUCCEEDED"))
        wait(lambda: self.client.action_plan.get(plan.uuid), "SUCCEEDED")


class Program(unittest.TestCase):
    """The programs as they are installed."""

    def test_the_installed_program_prints_a_table_at_its_own_microversion(self):
        program = Path(sys.executable).with_name("openstack")
        printed = subprocess.run(
            [program, "optimize", "goal", "list"], check=True, capture_output=True, text=True, timeout=60
        ).stdout
        self.assertIn("| UUID ", printed)
        self.assertIn("server_consolidation", printed)

    def test_tables_of_plans_format_the_efficacy(self):
        plan_of_nops(sdk())
        self.assertIn("| RECOMMENDED |", plain("optimize", "actionplan", "list", "--detail"))


if __name__ == "__main__":
    unittest.main()
