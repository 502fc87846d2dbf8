import { authorityOf } from '../../address.ts';
import { readWithoutChecks } from '../../consul/catalog-reader.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import { objectField, stringField, stringMapField } from '../../json.ts';
import { cameFromKubernetes, isOfCatalogSync } from '../../mark.ts';
import { objectKey, type Pod } from '../../kubernetes/objects.ts';
import { findingsOf, type Finding } from './finding.ts';
import type { Check, Patient } from './patient.ts';
import { listPodsAnywhere } from './pods-anywhere.ts';
import { word } from './shell.ts';

const ofSync = findingsOf('neighbour.consul-k8s');
const ofRegistrator = findingsOf('neighbour.registrator');

/** The node of the catalog sync of consul-k8s, unless its setting `syncCatalog.consulNodeName` says another. */
const SYNC_NODE = 'k8s-sync';

/** Whether the catalog sync of consul-k8s runs, or has left something. */
export const consulK8s: Check = {
  id: 'neighbour.consul-k8s',
  needs: ['Kubernetes', 'Consul'],
  run: async (patient) => {
    const [contents, pods, instances] = await Promise.all([
      readWithoutChecks(patient.consul, SYNC_NODE),
      readSyncPods(patient),
      patient.reads.instances(),
    ]);
    const its = instances.items.flat().filter(isOfCatalogSync);
    const nodes = new Map([...new Set(its.map(({ node }) => node))].map((name) => [name, countOn(its, name)]));
    if (contents) nodes.set(SYNC_NODE, contents.services.length);
    return [judgeSync(nodes, pods)];
  },
};

function countOn(instances: readonly ServiceInstance[], name: string): number {
  return instances.filter(({ node }) => node === name).length;
}

export interface SyncPod {
  readonly namespace: string;
  readonly name: string;
  /** Of Helm. */
  readonly release: string;
}

async function readSyncPods({ kubernetes }: Patient): Promise<SyncPod[] | undefined> {
  const pods = await listPodsAnywhere(kubernetes, 'component=sync-catalog');
  return pods
    ?.map((pod) => objectField(pod, 'metadata'))
    .map((metadata) => ({
      namespace: stringField(metadata, 'namespace'),
      name: stringField(metadata, 'name'),
      release: stringMapField(metadata, 'labels').get('release') ?? 'consul',
    }));
}

/**
 * @param nodes that it has registered on, each with how many instances were seen there
 * @param pods of it; undefined where pods of all namespaces may not be listed
 */
export function judgeSync(nodes: ReadonlyMap<string, number>, pods: readonly SyncPod[] | undefined): Finding {
  const [pod] = pods ?? [];
  if (nodes.size === 0 && !pods)
    return ofSync.skipped(
      'its catalog sync has left nothing in Consul; whether it runs is not known, as pods of all namespaces may not be listed',
    );
  if (nodes.size === 0 && !pod) return ofSync.ok('its catalog sync is not here');
  const stop = pod && [
    '# Change over as docs/migrate-from-consul-k8s.md says, and at its end:',
    `helm -n ${word(pod.namespace)} upgrade ${word(pod.release)} hashicorp/consul --reuse-values --set syncCatalog.enabled=false`,
  ];
  const remove = [...nodes.keys()].flatMap((name) => [
    `# When ${pod ? 'its pod is gone' : 'nobody needs them any more'}, this removes a node with all that is on it:`,
    `curl -s -X PUT -H "X-Consul-Token: $CONSUL_HTTP_TOKEN" -d ${word(JSON.stringify({ Node: name }))} "$CONSUL_HTTP_ADDR/v1/catalog/deregister"`,
  ]);
  const runs = pod ? `its catalog sync runs (pod ${pod.namespace}/${pod.name})` : 'its catalog sync has left entries';
  const has = [...nodes].map(([name, count]) => `node ${name} has ${count} ${count === 1 ? 'instance' : 'instances'}`);
  return ofSync.warning(
    `${[runs, ...has].join('; ')}. What it has registered too, Consular does not register`,
    [...(stop ?? []), ...remove].join('\n'),
  );
}

/** Whether registrator runs in this cluster, or pods are in Consul by it. */
export const registrator: Check = {
  id: 'neighbour.registrator',
  needs: ['Kubernetes', 'Consul'],
  run: async ({ reads }) => {
    const [pods, instances] = await Promise.all([reads.pods(), reads.instances()]);
    return judgeRegistrator(pods.items, instances.items.flat());
  },
};

/** Registrator's form of an ID, which its own clean-up knows it by: the host, the container, and the port. */
const ID = /^(.+?):([a-zA-Z0-9][a-zA-Z0-9_.-]+):[0-9]+(?::udp)?$/;
/** How the kubelet calls a Docker container: of a pod. */
const OF_POD = 'k8s_';

export function judgeRegistrator(pods: readonly Pod[], instances: readonly ServiceInstance[]): Finding[] {
  const addresses = new Set(pods.flatMap(({ podIPs }) => podIPs));
  const its = instances.filter((instance) => !cameFromKubernetes(instance) && ID.test(instance.id));
  const isOfPod = ({ id, address }: ServiceInstance) =>
    (ID.exec(id)?.[2]?.startsWith(OF_POD) ?? false) || addresses.has(address);
  const ofPods = its.filter(isOfPod);
  const running = pods.find(({ containers }) =>
    containers.some(({ image }) => /(^|\/)registrator([:@]|$)/.test(image)),
  );
  if (ofPods.length === 0 && !running)
    return [
      ofRegistrator.ok(
        its.length === 0 ? 'it is not here' : `${its.length} instances are of registrator, and none of them is a pod`,
      ),
    ];
  const fix = [
    '# Change over as docs/migrate-from-registrator.md says, node by node: stop it there, then remove what it left.',
    ...(running ? [stopCommand(running)] : []),
    ...ofPods.slice(0, 20).map(({ id, nodeAddress }) => {
      return `curl -s -X PUT -H "X-Consul-Token: $CONSUL_HTTP_TOKEN" ${word(`http://${authorityOf(nodeAddress, 8500)}/v1/agent/service/deregister/${encodeURIComponent(id)}`)}`;
    }),
  ].join('\n');
  const runs = running ? `it runs (pod ${objectKey(running)})` : 'it has left entries';
  const such = ofPods[0] ? `, such as ${ofPods[0].id} of ${ofPods[0].service}` : '';
  return [
    ofRegistrator.warning(
      `${runs}: ${ofPods.length} of the instances that were looked at are pods by it${such}. Consular does not register these`,
      fix,
    ),
  ];
}

function stopCommand({ namespace, name, owner }: Pod): string {
  return owner?.kind === 'DaemonSet'
    ? `kubectl -n ${word(namespace)} delete daemonset ${word(owner.name)}`
    : `kubectl -n ${word(namespace)} delete pod ${word(name)}   # and whatever makes it anew`;
}
