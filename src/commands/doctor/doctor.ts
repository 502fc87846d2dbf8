import type { Config } from '../../config/schema.ts';
import type { ConsulClient } from '../../consul/client.ts';
import { addressesOf, createConsulClient } from '../../consul/create-client.ts';
import { ConsulError, UntrustworthyAnswer } from '../../consul/errors.ts';
import { createNodeReader } from '../../consul/node-reader.ts';
import { expectObject, stringField } from '../../json.ts';
import type { ServiceAccount } from '../../kubernetes/access.ts';
import { createKubernetesClient, type KubernetesClient } from '../../kubernetes/client.ts';
import { connectKubernetes, findOwnPod } from '../../kubernetes/connection.ts';
import { hasStatus } from '../../kubernetes/errors.ts';
import type { LeaseName } from '../../kubernetes/lease.ts';
import { createObjectApi } from '../../kubernetes/object-api.ts';
import { createResources } from '../../kubernetes/resources.ts';
import { leasePlace } from '../../leadership/lease-place.ts';
import { explainError } from '../../observability/log.ts';
import { isOurAnnotation } from '../../to-consul/requests/annotations.ts';
import { isRegistratorVariable } from '../../to-consul/requests/registrator.ts';
import type { OnceContext } from '../../world/read-once.ts';
import { consulCatalog, consulDatacenter, consulFilter, consulVersion } from './consul-catalog.ts';
import { consulRights } from './consul-rights.ts';
import { findingsOf, reportOf, type Finding, type Report } from './finding.ts';
import { identity } from './identity.ts';
import { istio } from './istio.ts';
import { kubernetesRights } from './kubernetes-rights.ts';
import { leader } from './leader.ts';
import { namespaces } from './namespaces.ts';
import { consulK8s, registrator } from './neighbours.ts';
import { hostNames, instanceAnswers, podAnswers } from './network.ts';
import type { Check, Patient, SystemName } from './patient.ts';
import { serviceAccountExists } from '../namespace-rights.ts';
import { reachConsul, reachKubernetes, type Reached } from './reach.ts';
import { createReads } from './reads.ts';
import { Waiting } from './waiting.ts';

/** After reachability, which comes first; in the order in which they are told. */
const CHECKS: readonly Check[] = [
  ...[namespaces, kubernetesRights],
  ...[consulVersion, consulDatacenter, consulRights, consulCatalog, consulFilter],
  ...[identity, leader, consulK8s, registrator],
  ...[podAnswers, instanceAnswers, hostNames, istio],
];

/** Each check has so long; what it has not found out by then is told as that. */
const CHECK_MS = 5000;

export interface DoctorOptions {
  /** Of the daemon, where whoever asks is somebody else. */
  readonly account: ServiceAccount;
  /** The configuration, as it was named on the command line. */
  readonly file: string;
  /** Told what is being waited for, now and then. */
  readonly onProgress: (text: string) => void;
  /** @default 5 s */
  readonly checkMs?: number;
}

/**
 * Asks both systems everything that an installation needs, with its own configuration and credentials. Nothing is written, in
 * either system. It never rejects for what is wrong with the installation: that is a finding.
 */
export async function examine(context: OnceContext, options: DoctorOptions): Promise<Report> {
  const waiting = new Waiting(options.checkMs ?? CHECK_MS, options.onProgress);
  const userAgent = `consular/${context.version} (cluster ${context.config.cluster})`;
  const [kubernetes, consul] = [openKubernetes(context.config, userAgent), openConsul(context, userAgent)];
  try {
    const [ofKubernetes, ofConsul] = await Promise.all([
      reach('kubernetes.reach', kubernetes, waiting),
      reach('consul.reach', consul, waiting),
    ]);
    const isReached: Record<SystemName, boolean> = { Kubernetes: ofKubernetes.isReached, Consul: ofConsul.isReached };
    // Where it cannot be told, the rights to the Lease are not asked for.
    const findLease = () => leaseOf(context.config, options.account, kubernetes.client);
    const lease = isReached.Kubernetes
      ? await waiting.within('leader.lease', findLease).catch(() => undefined)
      : undefined;
    const patient = patientOf(context, options, kubernetes.client, consul.client, lease);
    const findings = await Promise.all(CHECKS.map((check) => runCheck(check, patient, isReached, waiting)));
    return reportOf(context.config.cluster, [...ofKubernetes.findings, ...ofConsul.findings, ...findings.flat()]);
  } finally {
    waiting.end();
    await Promise.all([consul.client.close(), kubernetes.client.close()]);
  }
}

/** A client, and how it is found out whether its system answers. */
interface Opened<T> {
  readonly client: T;
  readonly reach: (signal: AbortSignal) => Promise<Reached>;
}

const now = () => Date.now();

function openKubernetes({ kubernetes }: Config, userAgent: string): Opened<KubernetesClient> {
  try {
    const connection = connectKubernetes(kubernetes);
    const client = createKubernetesClient(connection, userAgent);
    const readVersion = async () => {
      const purpose = { verb: 'get', kind: 'version', object: '' } as const;
      return stringField(expectObject(await client.request({ purpose, path: '/version' }), 'version'), 'gitVersion');
    };
    return { client, reach: (signal) => reachKubernetes({ server: connection.server, readVersion }, signal, now) };
  } catch (error) {
    const fix =
      'kubectl config view --minify   # the file and context that kubernetes.kubeconfig and kubernetes.context have to name';
    return { client: NO_KUBERNETES, reach: unreached(findingsOf('kubernetes.reach').error(explainError(error), fix)) };
  }
}

function openConsul({ config, log, timings }: OnceContext, userAgent: string): Opened<ConsulClient> {
  try {
    const client = createConsulClient(config.consul, userAgent, log, timings?.tlsLookMs);
    const readLeader = async () =>
      String((await client.get({ purpose: 'read the leader of Consul', path: '/status/leader' })).body);
    const [address = ''] = addressesOf(config.consul);
    const access = { config: { ...config.consul, address }, log, readLeader };
    return { client, reach: (signal) => reachConsul(access, signal, now) };
  } catch (error) {
    const { caFile, certFile, keyFile } = config.consul;
    const files = [caFile, certFile, keyFile].filter((file) => file !== '').join(' ');
    const fix = `ls -l ${files}   # what consul.caFile, certFile and keyFile name; in Kubernetes they are keys of Secret consular-consul`;
    return { client: NO_CONSUL, reach: unreached(findingsOf('consul.tls').error(explainError(error), fix)) };
  }
}

/** Nobody asks these: what needs them is skipped. */
const refuse = () => Promise.reject(new Error('there is no connection'));
const NO_KUBERNETES: KubernetesClient = {
  request: refuse,
  read: refuse,
  stream: refuse,
  close: () => Promise.resolve(),
};
const NO_CONSUL: ConsulClient = {
  get: refuse,
  put: refuse,
  post: refuse,
  address: '',
  tokenTerm: 0,
  tokenFailure: undefined,
  close: () => Promise.resolve(),
};

function unreached(why: Finding): () => Promise<Reached> {
  return () => Promise.resolve({ findings: [why], isReached: false });
}

async function reach<T>(id: string, { reach }: Opened<T>, waiting: Waiting): Promise<Reached> {
  try {
    return await waiting.within(id, reach);
  } catch (error) {
    const fix =
      'see consul.address and kubernetes in the configuration, and whether a firewall or NetworkPolicy drops packets';
    return { findings: [findingsOf(id).error(explainError(error), fix)], isReached: false };
  }
}

function patientOf(
  { config, metrics }: OnceContext,
  { account, file }: DoctorOptions,
  kubernetes: KubernetesClient,
  consul: ConsulClient,
  lease: LeaseName | undefined,
): Patient {
  const resources = createResources({
    annotation: (key) => isOurAnnotation(key, config.annotationPrefix),
    variable: (name) => config.toConsul.registrator && isRegistratorVariable(name),
  });
  return {
    ...{ config, kubernetes, consul, resources, account, file, lease, now },
    api: createObjectApi(kubernetes, metrics),
    nodes: createNodeReader(consul),
    reads: createReads(config, kubernetes, resources, consul),
  };
}

/**
 * The Lease of the daemon, also where this is no pod of its. With `auto` outside of a pod there is one if the daemon's account
 * is in this cluster: then the daemon runs in its pods, and not here.
 */
async function leaseOf(
  config: Config,
  account: ServiceAccount,
  kubernetes: KubernetesClient,
): Promise<LeaseName | undefined> {
  const { enabled } = config.leaderElection;
  const own = findOwnPod(config.kubernetes);
  const isElsewhere = enabled === 'auto' && !own;
  if (isElsewhere && !(await serviceAccountExists(kubernetes, account).catch(() => false))) return undefined;
  return leasePlace(config, enabled === false ? undefined : { namespace: own?.namespace || account.namespace });
}

async function runCheck(
  { id, needs, run }: Check,
  patient: Patient,
  isReached: Readonly<Record<SystemName, boolean>>,
  waiting: Waiting,
): Promise<readonly Finding[]> {
  const find = findingsOf(id);
  const away = needs.filter((system) => !isReached[system]);
  if (away.length > 0) return [find.skipped(`${away.join(' and ')} cannot be asked`)];
  try {
    return await waiting.within(id, (signal) => run(patient, signal));
  } catch (error) {
    // The right that is missing is told by its own check.
    if (isForWantOfRights(error)) return [find.skipped(`not known for want of a right: ${explainError(error)}`)];
    return [
      find.error(
        explainError(error),
        `consular doctor --config ${patient.file}   # once more: what failed may be over`,
      ),
    ];
  }
}

function isForWantOfRights(error: unknown): boolean {
  return (
    hasStatus(error, 403) ||
    (error instanceof ConsulError && error.status === 403) ||
    error instanceof UntrustworthyAnswer
  );
}
