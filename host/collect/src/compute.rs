//! The compute cluster data model, from Nova and Placement.
//!
//! All hypervisors, services, aggregates and servers of the cloud are listed page by page, at the same time; then one inventory per
//! hypervisor is read, a bounded number at a time. Nodes and instances keep the order of Nova's lists.
//!
//! # Source
//! The compute collector of OpenStack Watcher 17. It asks for the servers of each host in turn; we list them once.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use watcher_cluster::{AuditScope, ClusterDataModel, ComputeModel, ComputeNode, Instance, ServiceZone, Topology};
use watcher_domain::ports::{Clock, CloudRequests, CollectError, Collector, Snapshot};
use watcher_domain::{Blame, Failure};

use crate::fetch::{Fetch, RetryOptions};
use crate::nova::{Aggregates, Hypervisor, Hypervisors, Inventories, Server, Servers, Service, Services};

/// Hypervisors by UUID and with totals (2.53 to 2.87), servers with their flavors inside (from 2.47).
const COMPUTE: &str = "2.56";

/// How a collector works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComputeCollectorOptions {
    /// Inventories that are read at a time.
    pub concurrency: usize,
    /// Rows per page that are asked for; a cloud may give fewer.
    pub page: u32,
    /// Reads that fail.
    pub retry: RetryOptions,
    /// Time for the whole cluster.
    pub timeout: Duration,
}

impl Default for ComputeCollectorOptions {
    fn default() -> Self {
        Self { concurrency: 16, page: 1000, retry: RetryOptions::default(), timeout: Duration::from_mins(10) }
    }
}

/// Collects from Nova and Placement.
pub struct ComputeCollector {
    fetch: Fetch,
    clock: Arc<dyn Clock>,
    options: ComputeCollectorOptions,
}

impl ComputeCollector {
    /// A collector that reads as whoever `cloud` is.
    pub fn new(cloud: Arc<dyn CloudRequests>, clock: Arc<dyn Clock>, options: ComputeCollectorOptions) -> Self {
        Self { fetch: Fetch { cloud, retry: options.retry }, clock, options }
    }

    async fn hypervisors(&self) -> Result<Vec<Hypervisor>, Failure> {
        let limit = self.options.page.to_string();
        self.fetch.pages::<Hypervisors>("/os-hypervisors/detail", COMPUTE, &[("limit", &limit)]).await
    }

    async fn servers(&self) -> Result<Vec<Server>, Failure> {
        let limit = self.options.page.to_string();
        let query = [("all_tenants", "1"), ("limit", limit.as_str())];
        self.fetch.pages::<Servers>("/servers/detail", COMPUTE, &query).await
    }

    async fn topology(&self) -> Result<Topology, Failure> {
        let binary = vec![("binary".to_owned(), "nova-compute".to_owned())];
        let services = self.fetch.require::<Services>("compute", Some(COMPUTE), "/os-services", binary);
        let aggregates = self.fetch.require::<Aggregates>("compute", Some(COMPUTE), "/os-aggregates", Vec::new());
        let (services, aggregates) = futures::try_join!(services, aggregates)?;
        let zone = |service: Service| ServiceZone { host: service.host, zone: service.zone };
        Ok(Topology { aggregates: aggregates.aggregates, zones: services.services.into_iter().map(zone).collect() })
    }

    /// Hypervisors with their inventories. A hypervisor that Placement does not know keeps its own totals.
    async fn nodes(&self) -> Result<Vec<ComputeNode>, Failure> {
        let hypervisors = self.hypervisors().await?;
        let virtual_ones = hypervisors.into_iter().filter(|hypervisor| hypervisor.kind != "ironic");
        let unknown = AtomicUsize::new(0);
        let nodes: Vec<ComputeNode> = futures::stream::iter(virtual_ones)
            .map(async |hypervisor| {
                let path = format!("/resource_providers/{}/inventories", hypervisor.id);
                let inventories = self.fetch.get::<Inventories>("placement", None, &path, Vec::new()).await?;
                if inventories.is_none() {
                    unknown.fetch_add(1, Ordering::Relaxed);
                }
                Ok(hypervisor.into_node(&inventories.unwrap_or_default().inventories))
            })
            .buffered(self.options.concurrency.max(1))
            .try_collect()
            .await?;
        let unknown = unknown.into_inner();
        if unknown > 0 {
            tracing::warn!(
                unknown,
                nodes = nodes.len(),
                "Placement does not know some compute nodes: ratio 1, nothing reserved"
            );
        }
        Ok(nodes)
    }

    async fn read(&self) -> Result<(Vec<ComputeNode>, Vec<Server>, Topology), Failure> {
        let all = async { futures::try_join!(self.nodes(), self.servers(), self.topology()) };
        tokio::time::timeout(self.options.timeout, all).await.unwrap_or_else(|_| {
            let seconds = self.options.timeout.as_secs();
            let message = format!("the cluster could not be collected within {seconds} s");
            Err(Failure::new(Blame::Cloud, "timed-out", message).retryable())
        })
    }
}

/// Servers with their host. Those on a host that is no compute node, a bare-metal one or one that appeared meanwhile, are left out;
/// those on no host are kept.
fn placed(nodes: &[ComputeNode], servers: Vec<Server>) -> Vec<(Instance, Option<String>)> {
    let hosts: HashSet<&str> = nodes.iter().map(|node| node.hostname.as_str()).collect();
    let wanted = servers.into_iter().filter(|server| {
        server.vm_state != "deleted" && server.host.as_deref().is_none_or(|host| hosts.contains(host))
    });
    wanted
        .map(|mut server| {
            let host = server.host.take();
            (server.into_instance(), host)
        })
        .collect()
}

#[async_trait]
impl Collector for ComputeCollector {
    #[tracing::instrument(name = "collect.compute", skip_all)]
    async fn collect(&self, _: &AuditScope) -> Result<Snapshot, CollectError> {
        let as_of = self.clock.now();
        let (nodes, servers, topology) = self.read().await.map_err(|failure| CollectError { failure, source: None })?;
        let placed = placed(&nodes, servers);
        let compute = ComputeModel::new(nodes, placed).map_err(|error| CollectError {
            failure: Failure::new(
                Blame::Cloud,
                "inconsistent-cluster",
                format!("Nova's answers contradict each other: {error}"),
            ),
            source: Some(Box::new(error)),
        })?;
        tracing::info!(
            nodes = compute.nodes().len(),
            instances = compute.instances().len(),
            "the cluster was collected"
        );
        Ok(Snapshot { model: ClusterDataModel { compute, topology }, as_of })
    }
}
