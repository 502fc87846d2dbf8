import type { Config } from '../../config/schema.ts';
import type { CatalogNode } from '../../consul/types.ts';
import { MANAGED_BY, META, type Owner } from '../../mark.ts';
import { ownNodeName } from '../../to-consul/identity/entry.ts';
import { findingsOf, type Finding } from './finding.ts';
import type { Check, Patient } from './patient.ts';
import { word } from './shell.ts';

const ofName = findingsOf('cluster.name');
const ofOthers = findingsOf('cluster.others');

/** Whose the name of the cluster is in Consul, and whether this cluster is there under other names. */
export const identity: Check = {
  id: 'cluster.name',
  needs: ['Kubernetes', 'Consul'],
  run: async (patient) => {
    const { config, nodes, file } = patient;
    const owner = { cluster: config.cluster, clusterUid: await readClusterUid(patient) };
    const [own, named, ofUid] = await Promise.all([
      nodes.read(ownNodeName(owner)),
      nodes.list(META.cluster, owner.cluster),
      nodes.list(META.clusterUid, owner.clusterUid),
    ]);
    return [judgeName(owner, own ? [own.node, ...named] : named, file), judgeOthers(owner, config, ofUid)];
  },
};

/** As the daemon reads it: of the namespace that the settings name for it. */
export async function readClusterUid({
  api,
  resources,
  config,
}: Pick<Patient, 'api' | 'resources' | 'config'>): Promise<string> {
  const { identityNamespace } = config.kubernetes;
  const namespace = await api.get(resources.namespaces, '', identityNamespace);
  if (!namespace) throw new Error(`get Namespace ${identityNamespace}: expected it, as the identity of the cluster`);
  return namespace.uid;
}

const isOfConsular = ({ meta }: CatalogNode) => meta.get(META.managedBy) === MANAGED_BY;

/** @param nodes of that name in Consul */
export function judgeName({ cluster, clusterUid }: Owner, nodes: readonly CatalogNode[], file: string): Finding {
  const other = nodes.find(({ meta }) => meta.get(META.clusterUid) !== clusterUid);
  if (!other)
    return ofName.ok(
      nodes.length === 0
        ? `${cluster} is free in Consul, and this cluster's from the first run`
        : `${cluster} is this cluster's in Consul`,
    );
  // Somebody else wrote it: in the advice it must be nothing but a word.
  const uid = word(other.meta.get(META.clusterUid) ?? '(none)');
  const free = `${cluster.slice(0, 35).replace(/-+$/, '')}-${clusterUid.slice(0, 4)}`;
  const fix = [
    '# Each Kubernetes cluster needs a name of its own, in the configuration, in the ACL policy and in the name of the Lease:',
    `cluster: ${free}`,
    `# Or, only if the cluster with uid ${uid} is gone for good:`,
    `# consular run --take-over --config ${word(file)}`,
  ].join('\n');
  return ofName.error(
    `${cluster} belongs to another Kubernetes cluster: Consul node ${other.name} has its uid ${uid}, and this one has ${clusterUid}`,
    fix,
  );
}

/** @param nodes with our uid */
export function judgeOthers(
  { cluster }: Owner,
  { besides }: Pick<Config, 'besides'>,
  nodes: readonly CatalogNode[],
): Finding {
  const names = nodes.filter(isOfConsular).map(({ meta }) => meta.get(META.cluster) ?? '');
  const others = [...new Set(names)].filter((name) => name !== '' && name !== cluster).sort();
  const unmeant = others.filter((name) => !besides.includes(name));
  const said =
    others.length === 0 ? 'no other Consular is in this cluster' : `others in this cluster: ${others.join(', ')}`;
  if (unmeant.length === 0) return ofOthers.ok(said);
  const fix = [
    '# If another Consular is meant to run beside this one, in the configuration:',
    `besides: ${JSON.stringify([...besides, ...unmeant])}`,
    '# If the name was changed, change it back:',
    `# cluster: ${JSON.stringify(unmeant[0])}`,
  ].join('\n');
  return ofOthers.error(
    `this cluster is in Consul under the name ${unmeant.join(', ')} too, and "run" does not start`,
    fix,
  );
}
