//! What a cluster would look like after a plan, by what the handlers say about their actions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use watcher_cluster::ClusterDataModel;
use watcher_cluster::model::NodeStatus;

/// A cluster, as far as actions change it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prediction {
    /// Host name of every instance that is on a host, by UUID.
    pub placement: BTreeMap<String, String>,
    /// Host names of the compute nodes that the scheduler may use.
    pub enabled: BTreeSet<String>,
    /// Instances that go where the scheduler sends them, which nobody can predict.
    pub open: usize,
    /// Instances that get another flavor.
    pub resized: usize,
}

impl Prediction {
    /// The cluster as it is.
    pub fn new(model: &ClusterDataModel) -> Self {
        let compute = &model.compute;
        let hostname = |instance| compute.node_of(instance).map(|node| compute.nodes()[node].hostname.clone());
        let placed = compute.instances().iter().enumerate();
        let enabled = compute.nodes().iter().filter(|node| node.status == NodeStatus::Enabled);
        Self {
            placement: placed.filter_map(|(row, instance)| Some((instance.uuid.clone(), hostname(row)?))).collect(),
            enabled: enabled.map(|node| node.hostname.clone()).collect(),
            open: 0,
            resized: 0,
        }
    }

    /// Lets one effect happen, as `describe-effect` gives it. One that is not known here changes nothing.
    pub fn apply(&mut self, effect: &Value) {
        let text = |name: &str| effect[name].as_str();
        match text("kind") {
            Some("move-instance") => match (text("instance"), text("destination")) {
                (Some(instance), Some(host)) => {
                    self.placement.insert(instance.to_owned(), host.to_owned());
                }
                _ => self.open += 1,
            },
            Some("resize-instance") => self.resized += 1,
            Some("set-node-status") => match (text("node"), text("status")) {
                (Some(node), Some("enabled")) => {
                    self.enabled.insert(node.to_owned());
                }
                (Some(node), Some(_)) => {
                    self.enabled.remove(node);
                }
                _ => {}
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use watcher_cluster::ClusterFile;

    #[test]
    fn effects_move_instances_and_set_the_status_of_nodes() {
        let text = r#"{"compute": {
            "nodes": [
                {"uuid": "n0", "hostname": "h0", "vcpus": 1, "memory": 1, "disk": 1},
                {"uuid": "n1", "hostname": "h1", "vcpus": 1, "memory": 1, "disk": 1, "status": "disabled"}
            ],
            "instances": [{"uuid": "i0", "node": "h0", "vcpus": 1, "memory": 1, "disk": 1}]
        }}"#;
        let model = ClusterFile::parse(text.as_bytes()).unwrap().model().unwrap();
        let mut cluster = Prediction::new(&model);
        assert_eq!((cluster.placement["i0"].as_str(), cluster.enabled.len()), ("h0", 1));
        for effect in [
            json!({"kind": "move-instance", "instance": "i0", "destination": "h1"}),
            json!({"kind": "move-instance", "instance": "i0", "destination": null}),
            json!({"kind": "set-node-status", "node": "h0", "status": "disabled"}),
            json!({"kind": "set-node-status", "node": "h1", "status": "enabled"}),
            json!({"kind": "resize-instance", "instance": "i0", "flavor": "f"}),
            json!({"kind": "something-else"}),
        ] {
            cluster.apply(&effect);
        }
        let after = Prediction {
            placement: [("i0".to_owned(), "h1".to_owned())].into(),
            enabled: ["h1".to_owned()].into(),
            open: 1,
            resized: 1,
        };
        assert_eq!(cluster, after);
    }
}
