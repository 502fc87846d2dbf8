import type { Config, ConsulConfig } from '../../config/schema.ts';
import type { ConsulClient } from '../../consul/client.ts';
import { addressesOf, createConsulClient } from '../../consul/create-client.ts';
import { ConsulError, UntrustworthyAnswer } from '../../consul/errors.ts';
import { createNodeReader } from '../../consul/node-reader.ts';
import { proxyFor } from '../../consul/proxy.ts';
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
import { reachConsul } from './reach-consul.ts';
import { reachKubernetes, type Reached } from './reach.ts';
import { createReads } from './reads.ts';
import { daemonsFile, switches } from './switches.ts';
import { Waiting } from './waiting.ts';

/** After reachability, which comes first; in the order in which they are told. */
const CHECKS: readonly Check[] = [
  ...[namespaces, kubernetesRights],
  ...[consulVersion, consulDatacenter, consulRights, consulCatalog, consulFilter],
  ...[identity, leader, switches, daemonsFile, consulK8s, registrator],
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
  const { checkMs = CHECK_MS } = options;
  const waiting = new Waiting(checkMs, options.onProgress);
  const userAgent = `consular/${context.version} (cluster ${context.config.cluster})`;
  const [kubernetes, consul] = [openKubernetes(context.config, userAgent), openConsul(context, userAgent, checkMs)];
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
    const patient = patientOf(context, options, kubernetes.client, consul.client(), lease);
    const findings = await Promise.all(CHECKS.map((check) => runCheck(check, patient, isReached, waiting)));
    return reportOf(context.config.cluster, [...ofKubernetes.findings, ...ofConsul.findings, ...findings.flat()]);
  } finally {
    waiting.end();
    await Promise.all([consul.close(), kubernetes.client.close()]);
  }
}

/** How it is found out whether a system answers. */
interface Reachable {
  readonly reach: (signal: AbortSignal) => Promise<Reached>;
}
interface OpenedKubernetes extends Reachable {
  readonly client: KubernetesClient;
}
interface OpenedConsul extends Reachable {
  /** After it was reached. */
  readonly client: () => ConsulClient;
  readonly close: () => Promise<void>;
}

const now = () => Date.now();

function openKubernetes({ kubernetes }: Config, userAgent: string): OpenedKubernetes {
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

/**
 * The client asks at those addresses that answer: the daemon finds them by itself after a while. There is none to ask before they
 * are known.
 */
function openConsul({ config, log, timings }: OnceContext, userAgent: string, checkMs: number): OpenedConsul {
  const { consul, cluster } = config;
  const open = (given: ConsulConfig) => createConsulClient(given, userAgent, log, { tlsLookMs: timings?.tlsLookMs });
  const list = addressesOf(consul);
  const trials: ConsulClient[] = [];
  let client = NO_CONSUL;
  const close = async () => void (await Promise.all([...trials, client].map((one) => one.close())));
  try {
    const proxies = list.map((address) => proxyFor(address, consul.proxies));
    const addresses = list.map((address, i) => {
      const trial = open({ ...consul, address, token: '', tokenFile: '', login: { ...consul.login, authMethod: '' } });
      trials.push(trial);
      return { address, proxy: proxies[i], readLeader: () => readLeader(trial) };
    });
    const authenticate = (answering: readonly string[]) => {
      client = open({ ...consul, address: [...answering] });
      return readLeader(client);
    };
    // One that is silent must leave time for what is asked at the others.
    const eachMs = list.length === 1 ? checkMs : checkMs * 0.6;
    const access = { config: consul, cluster, log, addresses, eachMs, authenticate };
    return { client: () => client, close, reach: (signal) => reachConsul(access, signal, now) };
  } catch (error) {
    return { client: () => client, close, reach: unreached(judgeNoClient(consul, error)) };
  }
}

async function readLeader(client: ConsulClient): Promise<string> {
  return String((await client.get({ purpose: 'read the leader of Consul', path: '/status/leader' })).body);
}

/** Nothing can be asked with files that cannot be read, or a proxy that is none. */
function judgeNoClient({ caFile, certFile, keyFile }: ConsulConfig, error: unknown): Finding {
  const why = explainError(error);
  if (why.includes('_PROXY'))
    return findingsOf('consul.reach').error(why, 'env | grep -i _proxy   # of the process; without one, unset it');
  const files = [caFile, certFile, keyFile].filter((file) => file !== '').join(' ');
  const fix = `ls -l ${files}   # what consul.caFile, certFile and keyFile name; in Kubernetes they are keys of Secret consular-consul`;
  return findingsOf('consul.tls').error(why, fix);
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
  certificateEnds: new Map(),
  close: () => Promise.resolve(),
};

function unreached(why: Finding): () => Promise<Reached> {
  return () => Promise.resolve({ findings: [why], isReached: false });
}

async function reach(id: string, { reach }: Reachable, waiting: Waiting): Promise<Reached> {
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
