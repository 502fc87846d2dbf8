import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import {
  createDeployment,
  nextPodIP,
  openRig,
  podIPsOfTheirOwn,
  statusOf,
  until,
  untilEqual,
  type Daemon,
  type Manifest,
  type Rig,
} from '../rig/index.ts';
import { MANIFESTS, render } from '../rig/manifests.ts';
import {
  openStage,
  readPolicy,
  rightsOf,
  startOlderApiServer,
  withoutRight,
  type ApiServer,
  type OlderApiServer,
  type Stage,
} from '../rig/rights.ts';

/** Does something that needs rights; the answer tells whether it had its effect by now. */
type Scenario = (stage: Stage) => Promise<() => Promise<boolean>>;

const GATE = 'consular.dev/registered';
const named = (stage: Stage, suffix: string) => ({ 'consular.dev/service-name': stage.name(suffix) });
const servicePath = ({ namespace }: Stage, name: string) => `/api/v1/namespaces/${namespace}/services/${name}`;
const endpointsPath = ({ namespace }: Stage, name: string) => `/api/v1/namespaces/${namespace}/endpoints/${name}`;

const isReady = async ({ port }: Daemon) => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;

async function slicesOf({ kubernetes, namespace: own }: Stage, name: string, namespace = own): Promise<Manifest[]> {
  const selector = `labelSelector=kubernetes.io/service-name%3D${name}`;
  return kubernetes.list(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?${selector}`);
}

async function sliceAddresses(stage: Stage, name: string, namespace = stage.namespace): Promise<string[]> {
  const slices = (await slicesOf(stage, name, namespace)) as (Manifest & {
    endpoints: { addresses: string[] }[] | null;
  })[];
  return slices.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses)).sort();
}

async function endpointsAddresses(stage: Stage, name: string): Promise<string[]> {
  const endpoints = await stage.kubernetes.find(endpointsPath(stage, name));
  const subsets = (endpoints?.subsets ?? []) as { addresses: { ip: string }[] }[];
  return subsets.flatMap(({ addresses }) => addresses.map(({ ip }) => ip)).sort();
}

/** A virtual machine registers itself: what a mirrored Service is made of. */
function registerForeign(stage: Stage, name: string, address: string, meta: Record<string, string> = {}) {
  return stage.consul.registerOnAgent({ id: `${name}-${address}`, name, address, port: 9098, meta });
}

/** A service that is mirrored with one instance, completely. */
async function mirrored(stage: Stage, suffix: string): Promise<string> {
  const name = stage.name(suffix);
  await registerForeign(stage, name, '192.0.2.50');
  await untilEqual('the mirrored Endpoints', () => endpointsAddresses(stage, name), ['192.0.2.50']);
  return name;
}

/** Somebody's own Service that takes a Consul service of one instance in, and is called the same. */
async function importing(stage: Stage, suffix: string): Promise<string> {
  const { kubernetes, importNamespace } = stage;
  const name = stage.name(suffix);
  await registerForeign(stage, name, '192.0.2.50');
  await kubernetes.must('POST', `/api/v1/namespaces/${importNamespace}/services`, {
    metadata: { name, annotations: { 'consular.dev/import': name } },
    spec: { ports: [{ port: 80 }] },
  });
  return name;
}

const importedAddresses = (stage: Stage, name: string) => sliceAddresses(stage, name, stage.importNamespace);

const IMPORT_SCENARIOS = {
  'a Service takes instances of a Consul service in': async (stage) => {
    const name = await importing(stage, 'import-new');
    return async () => (await importedAddresses(stage, name)).length === 1;
  },

  'a second instance joins those that were taken in': async (stage) => {
    const name = await importing(stage, 'import-second');
    await untilEqual('the first', () => importedAddresses(stage, name), ['192.0.2.50']);
    await registerForeign(stage, name, '192.0.2.51');
    return async () => (await importedAddresses(stage, name)).length === 2;
  },

  'the last instance goes from those that were taken in': async (stage) => {
    const name = await importing(stage, 'import-last');
    await untilEqual('the first', () => importedAddresses(stage, name), ['192.0.2.50']);
    await stage.consul.deregisterFromAgent(`${name}-192.0.2.50`);
    return async () => (await importedAddresses(stage, name)).length === 0;
  },
} satisfies Record<string, Scenario>;

const SCENARIOS = {
  'the daemon becomes ready': async (stage) => {
    // Consul has something that could be mirrored, so that it is read too.
    await registerForeign(stage, stage.name('seen'), '192.0.2.49');
    await stage.stop();
    const daemon = await stage.start();
    return () => isReady(daemon);
  },

  'Consular shows itself in Consul': async ({ cluster, consul }) =>
    Promise.resolve(async () => {
      const nodes = (await consul.instances('consular')).map(({ Node }) => Node.Node);
      return nodes.includes(`k8s-${cluster}`);
    }),

  'writes to Consul are fenced': async (stage) => {
    await until('a ready daemon', () => isReady(stage.daemon));
    return async () => (await statusOf(stage.daemon)).consul.unfenced === null;
  },

  'the leader renews its Lease': async ({ kubernetes, namespace, cluster }) => {
    const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/consular-${cluster}`;
    const lease = await until('the Lease', () => kubernetes.find(path));
    const { acquireTime } = lease.spec as { acquireTime: string };
    return async () => ((await kubernetes.find(path))?.spec as { renewTime: string }).renewTime !== acquireTime;
  },

  'a standby is ready beside the leader': async (stage) => {
    await until('a leader', () => isReady(stage.daemon));
    const standby = await stage.startBeside();
    return () => isReady(standby);
  },

  'what is retained is told on the Deployment': async (stage) => {
    const { kubernetes, namespace, consul } = stage;
    const name = await createDeployment(kubernetes, namespace, 'registrar');
    await stage.stop();
    await stage.start({ pod: { namespace, name } });
    const pods = podIPsOfTheirOwn(24).map((ip, number) => ({ ip, pod: `lost-${number}` }));
    const annotations = named(stage, 'lost');
    await Promise.all(pods.map(({ ip, pod }) => kubernetes.createPod(namespace, pod, { ip, annotations })));
    await until('all registered', async () => (await consul.summary(stage.name('lost'))).length === pods.length);
    await Promise.all(pods.map(({ pod }) => kubernetes.setReady(namespace, pod, false)));
    return async () => (await kubernetes.eventsAbout(namespace, 'registrar')).length > 0;
  },

  'a Ready pod is registered': async (stage) => {
    const ip = nextPodIP();
    await stage.kubernetes.createPod(stage.namespace, 'plain', { ip, annotations: named(stage, 'plain') });
    return async () => (await stage.consul.summary(stage.name('plain'))).join() === `${ip}:8080 passing`;
  },

  'a registered pod is followed until it goes': async (stage) => {
    const { kubernetes, consul, namespace } = stage;
    const [ip, service] = [nextPodIP(), stage.name('followed')];
    await kubernetes.createPod(namespace, 'followed', {
      ip,
      annotations: { ...named(stage, 'followed'), 'consular.dev/not-ready': 'critical' },
    });
    await untilEqual('registered', () => consul.summary(service), [`${ip}:8080 passing`]);
    await kubernetes.annotate(namespace, 'followed', { 'consular.dev/service-tags': 'blue' });
    await until('the tag', async () => (await consul.instances(service))[0]?.Service.Tags.includes('blue'));
    await kubernetes.setReady(namespace, 'followed', false);
    await untilEqual('critical', () => consul.summary(service), [`${ip}:8080 critical`]);
    await kubernetes.annotate(namespace, 'followed', { 'consular.dev/not-ready': 'deregister' });
    await untilEqual('deregistered', () => consul.summary(service), []);
    await kubernetes.setReady(namespace, 'followed', true);
    await untilEqual('registered again', () => consul.summary(service), [`${ip}:8080 passing`]);
    await kubernetes.deletePod(namespace, 'followed');
    return async () => (await consul.summary(service)).length === 0;
  },

  'a pod that went while nobody looked is deregistered': async (stage) => {
    const { kubernetes, consul, namespace } = stage;
    const service = stage.name('unseen');
    await kubernetes.createPod(namespace, 'unseen', { annotations: named(stage, 'unseen') });
    await until('registered', async () => (await consul.summary(service)).length === 1);
    await stage.stop();
    await kubernetes.deletePod(namespace, 'unseen');
    await stage.start();
    return async () => (await consul.summary(service)).length === 0;
  },

  'pods of a Service that went while nobody looked are deregistered': async (stage) => {
    const { kubernetes, consul, namespace } = stage;
    const service = stage.name('behind');
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: 'behind', annotations: named(stage, 'behind') },
      spec: { selector: { app: 'behind' }, ports: [{ port: 80, targetPort: 8080 }] },
    });
    await kubernetes.createPod(namespace, 'behind', { labels: { app: 'behind' } });
    await until('registered', async () => (await consul.summary(service)).length === 1);
    await stage.stop();
    await kubernetes.must('DELETE', servicePath(stage, 'behind'));
    await stage.start();
    return async () => (await consul.summary(service)).length === 0;
  },

  'a pod that cannot be registered gets an Event': async (stage) => {
    const { kubernetes, namespace } = stage;
    await kubernetes.createPod(namespace, 'wrong', {
      annotations: { ...named(stage, 'wrong'), 'consular.dev/service-port': 'nope' },
    });
    return async () => (await kubernetes.list(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`)).length > 0;
  },

  'a pod with the readiness gate is told that it is registered': async (stage) => {
    const { kubernetes, consul, namespace } = stage;
    await kubernetes.createPod(namespace, 'gated', {
      annotations: named(stage, 'gated'),
      readinessGates: [GATE],
      conditions: { ContainersReady: true },
      ready: false,
    });
    await until('registered', async () => (await consul.summary(stage.name('gated'))).length === 1);
    return async () => {
      const pod = await kubernetes.find(`/api/v1/namespaces/${namespace}/pods/gated`);
      const { conditions } = pod?.status as { conditions: { type: string; status: string }[] };
      return conditions.some(({ type, status }) => type === GATE && status === 'True');
    };
  },

  'a first reading goes out in transactions of more than 64 operations': async (stage) => {
    await stage.stop();
    const pods = Array.from({ length: 40 }, (_, number) => `many-${number}`);
    await Promise.all(
      pods.map((pod) => stage.kubernetes.createPod(stage.namespace, pod, { annotations: named(stage, 'many') })),
    );
    const { metrics } = await stage.start();
    const count = async (counter: typeof metrics.consulOperations | typeof metrics.consulTransactions) =>
      (await counter.get()).values.reduce((sum, { value }) => sum + value, 0);
    // A service and a check for each.
    await until('all registered', async () => (await count(metrics.consulOperations)) >= 2 * pods.length);
    return async () => (await count(metrics.consulOperations)) / (await count(metrics.consulTransactions)) > 64;
  },

  'a mirror namespace that is not there is told by its name': (stage) => {
    const [, absent = ''] = stage.mirrorNamespaces;
    const why = async () => (await statusOf(stage.daemon)).toKubernetes?.closedNamespaces[absent];
    return Promise.resolve(async () => (await why()) === 'there is no such namespace');
  },

  'a Consul service becomes a Service': async (stage) => {
    const name = stage.name('new');
    await registerForeign(stage, name, '192.0.2.50');
    return async () => (await stage.kubernetes.find(servicePath(stage, name))) !== undefined;
  },

  'a mirrored Service gets EndpointSlices': async (stage) => {
    const name = stage.name('new-slices');
    await registerForeign(stage, name, '192.0.2.50');
    return async () => (await sliceAddresses(stage, name)).length === 1;
  },

  'a mirrored Service gets v1 Endpoints': async (stage) => {
    const name = stage.name('new-endpoints');
    await registerForeign(stage, name, '192.0.2.50');
    return async () => (await endpointsAddresses(stage, name)).length === 1;
  },

  'instances that turn to TLS change the Service': async (stage) => {
    const name = await mirrored(stage, 'tls');
    await registerForeign(stage, name, '192.0.2.50', { secure: 'true' });
    return async () => {
      const service = await stage.kubernetes.find(servicePath(stage, name));
      return (service?.spec as { ports: { appProtocol?: string }[] }).ports[0]?.appProtocol === 'https';
    };
  },

  'a second instance joins the EndpointSlice': async (stage) => {
    const name = await mirrored(stage, 'second');
    await registerForeign(stage, name, '192.0.2.51');
    return async () => (await sliceAddresses(stage, name)).length === 2;
  },

  'a second instance joins the v1 Endpoints': async (stage) => {
    const name = await mirrored(stage, 'second-legacy');
    await registerForeign(stage, name, '192.0.2.51');
    return async () => (await endpointsAddresses(stage, name)).length === 2;
  },

  'a service that is gone loses its v1 Endpoints': async (stage) => {
    const name = await mirrored(stage, 'gone-endpoints');
    await stage.consul.deregisterFromAgent(`${name}-192.0.2.50`);
    return async () => (await stage.kubernetes.find(endpointsPath(stage, name))) === undefined;
  },

  'a service that is gone loses its EndpointSlices': async (stage) => {
    const name = await mirrored(stage, 'gone-slices');
    await stage.consul.deregisterFromAgent(`${name}-192.0.2.50`);
    return async () => (await slicesOf(stage, name)).length === 0;
  },

  'a service that is gone loses its Service after the grace period': async (stage) => {
    const name = await mirrored(stage, 'gone');
    await stage.consul.deregisterFromAgent(`${name}-192.0.2.50`);
    return async () => (await stage.kubernetes.find(servicePath(stage, name))) === undefined;
  },
} satisfies Record<string, Scenario>;

type ScenarioName = keyof typeof SCENARIOS;

/** What each right is for in a namespace where Services take instances in. */
const IMPORT_NEEDED_BY: Readonly<Record<string, keyof typeof IMPORT_SCENARIOS>> = {
  'create endpointslices.discovery.k8s.io': 'a Service takes instances of a Consul service in',
  'patch endpointslices.discovery.k8s.io': 'a second instance joins those that were taken in',
  'delete endpointslices.discovery.k8s.io': 'the last instance goes from those that were taken in',
};

/** What each right in the roles is for. */
const NEEDED_BY: Readonly<Record<string, ScenarioName>> = {
  'watch pods': 'the daemon becomes ready',
  'watch services': 'the daemon becomes ready',
  'watch endpointslices.discovery.k8s.io': 'the daemon becomes ready',
  'watch nodes': 'the daemon becomes ready',
  'watch endpoints': 'a Consul service becomes a Service',
  'watch servicecidrs.networking.k8s.io': 'the daemon becomes ready',
  'get namespaces': 'the daemon becomes ready',
  'create leases.coordination.k8s.io': 'the daemon becomes ready',
  'get leases.coordination.k8s.io': 'the daemon becomes ready',
  'update leases.coordination.k8s.io': 'the leader renews its Lease',
  'watch leases.coordination.k8s.io': 'a standby is ready beside the leader',
  'get replicasets.apps': 'what is retained is told on the Deployment',
  'watch namespaces': 'a mirror namespace that is not there is told by its name',
  'list namespaces': 'a mirror namespace that is not there is told by its name',
  // On an API server that does not stream lists.
  'list pods': 'the daemon becomes ready',
  'list services': 'the daemon becomes ready',
  'list endpointslices.discovery.k8s.io': 'the daemon becomes ready',
  'list nodes': 'the daemon becomes ready',
  'list endpoints': 'a Consul service becomes a Service',
  'list servicecidrs.networking.k8s.io': 'the daemon becomes ready',
  'get pods': 'a pod that went while nobody looked is deregistered',
  'get services': 'pods of a Service that went while nobody looked are deregistered',
  // Of the optional folder.
  'patch pods/status': 'a pod with the readiness gate is told that it is registered',
  'create events.events.k8s.io': 'a pod that cannot be registered gets an Event',
  'create services': 'a Consul service becomes a Service',
  'patch services': 'instances that turn to TLS change the Service',
  'delete services': 'a service that is gone loses its Service after the grace period',
  'create endpointslices.discovery.k8s.io': 'a mirrored Service gets EndpointSlices',
  'patch endpointslices.discovery.k8s.io': 'a second instance joins the EndpointSlice',
  'delete endpointslices.discovery.k8s.io': 'a service that is gone loses its EndpointSlices',
  'create endpoints': 'a mirrored Service gets v1 Endpoints',
  'patch endpoints': 'a second instance joins the v1 Endpoints',
  'delete endpoints': 'a service that is gone loses its v1 Endpoints',
};

/** What the log says where nothing is refused, because a mirror namespace is left alone for want of the right. */
const CLOSED_BY: Readonly<Record<string, RegExp>> = {
  'get namespaces':
    /kubernetes\.identityNamespace can name a namespace that may be read: get Namespace kube-system.*403/,
  'watch endpoints': /nothing is written into namespace \w+-apps.*: there is no right to watch endpoints in namespace/,
  'list endpoints': /nothing is written into namespace \w+-apps.*: there is no right to list endpoints in namespace/,
  // Then it is not known that the namespace is not there.
  'watch namespaces': /nothing is written into namespace \w+-absent.*: there is no right to list endpoints/,
  'list namespaces': /nothing is written into namespace \w+-absent.*: there is no right to list endpoints/,
};

/** What is said where the Lease cannot be had or followed: the rule by its name, and what belongs to it. */
const saysLeaseRight = (verb: string) =>
  new RegExp(
    `${verb} Lease \\S+: expected the right to ${verb} leases\\.coordination\\.k8s\\.io .*, found none\\. Leader election needs`,
  );

const KINDS: Readonly<Record<string, string>> = {
  pods: 'Pod',
  'pods/status': 'Pod status',
  services: 'Service',
  endpointslices: 'EndpointSlice',
  endpoints: 'Endpoints',
  servicecidrs: 'ServiceCIDR',
  nodes: 'Node',
  namespaces: 'Namespace',
  replicasets: 'ReplicaSet',
  events: 'Event',
};

/** What each rule of the ACL policy is for, and what the log says without it. */
const POLICY_NEEDED_BY: Readonly<Record<string, { readonly scenario: ScenarioName; readonly complaint: RegExp }>> = {
  'node_prefix "k8s-dev--" write': {
    scenario: 'a Ready pod is registered',
    complaint: /add to the policy of the token: node "k8s-\w+--/,
  },
  'service_prefix "dev-" write': {
    scenario: 'a Ready pod is registered',
    complaint: /add to the policy of the token: service "\w+-/,
  },
  'node "k8s-dev" write': {
    scenario: 'Consular shows itself in Consul',
    complaint: /lacks permission 'node:write' on "k8s-\w+"/,
  },
  'service "consular" write': {
    scenario: 'Consular shows itself in Consul',
    complaint: /lacks permission 'service:write' on "consular"/,
  },
  'key "consular/dev/leader" write': {
    scenario: 'writes to Consul are fenced',
    complaint: /Permission denied.*lacks permission 'key:(read|write)' on "consular\/\w+\/leader"/,
  },
  'node_prefix "" read': {
    scenario: 'the daemon becomes ready',
    complaint: /read Consul nodes of .*: .*one that ACLs filtered; the token needs more read rights/,
  },
  'service_prefix "" read': {
    scenario: 'the daemon becomes ready',
    complaint: /read service names: .*one that ACLs filtered; the token needs more read rights/,
  },
  'agent_prefix "" read': {
    scenario: 'a first reading goes out in transactions of more than 64 operations',
    complaint: /Permission denied.*lacks permission 'agent:read'/,
  },
};

const objects = [...render(MANIFESTS), ...render(join(MANIFESTS, 'readiness-gate'))];
const rights = rightsOf(objects);
const forImports = render(join(MANIFESTS, 'import-namespace'));
const policy = await readPolicy('dev');

/** Waits for a warning or an error that says it, or for a pod that is not ready for it: what an operator sees without asking for more. */
async function untilSaid({ daemons }: Stage, pattern: RegExp): Promise<void> {
  await until(`a warning in the log, or /readyz, with ${String(pattern)}`, async () => {
    const records = daemons.flatMap(({ records }) => records);
    const loud = records.filter(({ level }) => level === 'warn' || level === 'error');
    if (loud.some(({ error, why }) => pattern.test(String(error ?? why)))) return true;
    return (await Promise.all(daemons.map(whyNotReady))).some((text) => pattern.test(text));
  });
}

/** Empty for a daemon that is ready, or was stopped. */
async function whyNotReady({ port }: Daemon): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
  return answer && !answer.ok ? answer.text() : '';
}

let rig: Rig;
let shared: ApiServer;
let older: OlderApiServer;
let stage: Stage | undefined;

beforeAll(async () => {
  [rig, older] = await Promise.all([openRig({ acl: true }), startOlderApiServer()]);
  shared = { api: rig.kubernetes, kubeconfig: rig.kubeconfig };
}, 60_000);
afterAll(() => Promise.all([rig.close(), older.close()]), 30_000);

describe('with the shipped rights, and no others', () => {
  let whole: Stage;

  beforeAll(async () => {
    whole = await openStage({ rig, server: shared, objects: [...objects, ...forImports], alsoInto: ['absent'] });
    await whole.start();
  }, 60_000);
  afterAll(() => whole.close(), 30_000);

  it.each(Object.entries({ ...SCENARIOS, ...IMPORT_SCENARIOS }))('%s', async (what, play: Scenario) => {
    await until(what, await play(whole));
  });

  it('the log of all that has no refusal in it', () => {
    const refusals = whole.daemons
      .flatMap(({ records }) => records.map((record) => JSON.stringify(record)))
      .filter((record) => /answered 40[13]|forbidden|permission denied|ACL/i.test(record));
    expect(refusals).toEqual([]);
  });

  it('the daemon becomes ready on an API server that does not stream lists', async () => {
    const other = await openStage({ rig, server: older, objects });
    const daemon = await other.start();
    await until('a ready daemon', () => isReady(daemon));
    await other.close();
  });
});

describe('each right is needed', () => {
  afterEach(async () => {
    await stage?.close();
    stage = undefined;
  }, 30_000);

  /** Plays what the right is for without it, until the daemon says what it misses; then nothing else may have done it. */
  async function expectBroken(server: ApiServer, without: string, scenario: ScenarioName, says: RegExp): Promise<void> {
    // A Service that goes takes its slices and Endpoints along, by Kubernetes' own controllers: it has to stay for these.
    const removalGrace = scenario.endsWith('after the grace period') ? '20ms' : '10m';
    const alsoInto = without.endsWith(' namespaces') ? ['absent'] : [];
    stage = await openStage({ rig, server, objects, without, removalGrace, alsoInto });
    await stage.start();
    const isDone = await SCENARIOS[scenario](stage);
    await untilSaid(stage, says);
    expect(await isDone()).toBe(false);
  }

  it('each right of the roles is granted once and has its test', () => {
    expect(rights.map(({ name }) => name).sort()).toEqual(Object.keys(NEEDED_BY).sort());
  });

  it('each right in a namespace with imports has its test', () => {
    expect(rightsOf(forImports).map(({ name }) => name)).toEqual(Object.keys(IMPORT_NEEDED_BY));
  });

  it.each(Object.entries(IMPORT_NEEDED_BY))('consular-import may %s, or else not: %s', async (name, scenario) => {
    stage = await openStage({ rig, server: shared, objects: [...objects, ...withoutRight(forImports, name)] });
    await stage.start();
    const isDone = await IMPORT_SCENARIOS[scenario](stage);
    const [verb = ''] = name.split(' ');
    await untilSaid(
      stage,
      new RegExp(`there is no right to ${verb} endpointslices.* in namespace .*: apply .*kubernetes/import-namespace`),
    );
    const { importNamespace, kubernetes } = stage;
    await untilEqual(
      'a Warning on the Service and on its namespace',
      async () => {
        const events = await kubernetes.list(`/apis/events.k8s.io/v1/namespaces/${importNamespace}/events`);
        const told = events.filter(({ reason, type }) => reason === 'WriteRefused' && type === 'Warning');
        return [...new Set(told.map(({ regarding }) => (regarding as { kind: string }).kind))].sort();
      },
      ['Namespace', 'Service'],
    );
    expect(await isDone()).toBe(false);
  });

  it('each rule of the policy has its test', () => {
    expect(policy.map(({ name }) => name).sort()).toEqual(Object.keys(POLICY_NEEDED_BY).sort());
  });

  it.each(rights.map((right) => ({ ...right, scenario: NEEDED_BY[right.name] ?? 'no test' })))(
    '$role may $name, or else not: $scenario',
    async ({ name, verb, resource }) => {
      const scenario = NEEDED_BY[name];
      if (!scenario) throw new Error(`take away ${name}: expected to know what it is for, found no scenario`);
      const refused = new RegExp(
        `^${verb} ${KINDS[resource] ?? ''} ?.*: the API server answered 403 Forbidden: ${resource.replace('/status', '')}|` +
          `there is no right to ${verb} ${resource}\\b.*: apply .*deploy/kubernetes/(mirror-namespace|readiness-gate)`,
      );
      const says = resource === 'leases' ? saysLeaseRight(verb) : (CLOSED_BY[name] ?? refused);
      await expectBroken(verb === 'list' ? older : shared, name, scenario, says);
    },
  );

  it.each(policy.map(({ name }) => ({ name, scenario: POLICY_NEEDED_BY[name]?.scenario ?? 'no test' })))(
    'the policy has $name, or else not: $scenario',
    async ({ name }) => {
      const needed = POLICY_NEEDED_BY[name];
      if (!needed) throw new Error(`take away ${name}: expected to know what it is for, found no scenario`);
      await expectBroken(shared, name, needed.scenario, needed.complaint);
    },
  );
});
