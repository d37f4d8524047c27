//! The compute cluster data model, from Nova and Placement.
//!
//! All hypervisors, services, aggregates and servers of the cloud are listed page by page, at the same time; then one inventory per
//! hypervisor is read, a bounded number at a time. Nodes and instances keep the order of Nova's lists.
//!
//! # Source
//! The compute collector of OpenStack Watcher 17. It asks for the servers of each host in turn; we list them once.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use watcher_cluster::{AuditScope, ClusterDataModel, ComputeModel, ComputeNode, ServiceZone, Topology};
use watcher_domain::ports::{Clock, CloudRequests, CollectError, Collector, Snapshot};
use watcher_domain::{Blame, Failure};

use crate::fetch::{Fetch, RetryOptions};
use crate::nova::{Aggregates, Hypervisor, Hypervisors, Inventories, Server, Servers, Services};

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
}

impl Default for ComputeCollectorOptions {
    fn default() -> Self {
        Self { concurrency: 16, page: 1000, retry: RetryOptions::default() }
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
        self.fetch
            .pages(
                "/os-hypervisors/detail",
                COMPUTE,
                &[("limit", &limit)],
                |page: Hypervisors| page.hypervisors,
                |hypervisor| &hypervisor.id,
            )
            .await
    }

    async fn servers(&self) -> Result<Vec<Server>, Failure> {
        let limit = self.options.page.to_string();
        let query = [("all_tenants", "1"), ("limit", limit.as_str())];
        self.fetch.pages("/servers/detail", COMPUTE, &query, |page: Servers| page.servers, |server| &server.id).await
    }

    async fn topology(&self) -> Result<Topology, Failure> {
        let binary = vec![("binary".to_owned(), "nova-compute".to_owned())];
        let services = self.fetch.get::<Services>("compute", Some(COMPUTE), "/os-services", binary);
        let aggregates = self.fetch.get::<Aggregates>("compute", Some(COMPUTE), "/os-aggregates", Vec::new());
        let (services, aggregates) = futures::try_join!(services, aggregates)?;
        let services = services.map(|services| services.services).unwrap_or_default();
        Ok(Topology {
            aggregates: aggregates.map(|aggregates| aggregates.aggregates).unwrap_or_default(),
            zones: services.into_iter().map(|service| ServiceZone { host: service.host, zone: service.zone }).collect(),
        })
    }

    /// Hypervisors with their inventories. A hypervisor that Placement does not know keeps its own totals.
    async fn nodes(&self) -> Result<Vec<ComputeNode>, Failure> {
        let hypervisors = self.hypervisors().await?;
        let virtual_ones = hypervisors.into_iter().filter(|hypervisor| hypervisor.hypervisor_type != "ironic");
        futures::stream::iter(virtual_ones)
            .map(async |hypervisor| {
                let path = format!("/resource_providers/{}/inventories", hypervisor.id);
                let inventories = self.fetch.get::<Inventories>("placement", None, &path, Vec::new()).await?;
                Ok(hypervisor.into_node(&inventories.unwrap_or_default().inventories))
            })
            .buffered(self.options.concurrency.max(1))
            .try_collect()
            .await
    }
}

#[async_trait]
impl Collector for ComputeCollector {
    #[tracing::instrument(name = "collect.compute", skip_all)]
    async fn collect(&self, _: &AuditScope) -> Result<Snapshot, CollectError> {
        let as_of = self.clock.now();
        let (nodes, servers, topology) = futures::try_join!(self.nodes(), self.servers(), self.topology())
            .map_err(|failure| CollectError { failure, source: None })?;
        let hosts: HashSet<String> = nodes.iter().map(|node| node.hostname.clone()).collect();
        let placed = servers.into_iter().filter(|server| server.vm_state != "deleted").map(|mut server| {
            let host = server.host.take().filter(|host| hosts.contains(host));
            (server.into_instance(), host)
        });
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
