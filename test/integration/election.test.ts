import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKubernetesClient } from '../../src/kubernetes/client.ts';
import { connectKubernetes } from '../../src/kubernetes/connection.ts';
import { createLeaseApi } from '../../src/kubernetes/lease.ts';
import { Election, type ElectionOptions } from '../../src/leadership/election.ts';
import type { Standing } from '../../src/leadership/standing.ts';
import { writeKubeconfig } from '../control-plane/kubernetes-credentials.ts';
import { openRig, until, untilEqual, type Manifest, type Rig } from '../rig/index.ts';
import { readKubeconfig } from '../rig/manifests.ts';
import { isAllowed } from '../rig/rights.ts';
import { openWire, type Wire } from '../rig/wire.ts';

/** As in the product, but shorter. */
const TIMES = { leaseMs: 4000, renewMs: 2500, retryMs: 250 };
const QUIET = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined };

let rig: Rig;
let folder: string;
let leases = 0;
const toClose: (() => unknown)[] = [];

beforeAll(async () => {
  rig = await openRig();
  folder = await mkdtemp(join(tmpdir(), 'consular-election-'));
}, 60_000);
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await rig.close();
}, 30_000);

/** The name of a Lease of a test's own. */
const nextLease = () => `consular-${++leases}`;
const pathOf = (name = '') =>
  `/apis/coordination.k8s.io/v1/namespaces/${rig.namespace}/leases${name === '' ? '' : `/${name}`}`;

interface Candidate {
  readonly election: Election;
  readonly told: Standing['kind'][];
  readonly requests: string[];
}

interface CandidateOptions extends Partial<ElectionOptions> {
  readonly kubeconfig?: string;
}

function candidate(
  name: string,
  identity: string,
  { kubeconfig = rig.kubeconfig, ...more }: CandidateOptions = {},
): Candidate {
  const client = createKubernetesClient(connectKubernetes({ kubeconfig, context: '' }), 'consular/test');
  const lease = { namespace: rig.namespace, name };
  const told: Standing['kind'][] = [];
  const requests: string[] = [];
  const election = new Election({
    ...{ lease, identity, cluster: rig.cluster, times: TIMES, log: QUIET },
    api: createLeaseApi(client, lease),
    annotations: () => ({ 'consular.dev/epoch': '7' }),
    mayAcquire: () => true,
    onStanding: ({ kind }) => told.push(kind),
    mayTakeRequest: () => true,
    onReleaseRequest: (text) => requests.push(text),
    ...more,
  });
  toClose.push(async () => {
    election.stop();
    await client.close();
  });
  election.start();
  return { election, told, requests };
}

const untilLeading = ({ election }: Candidate) => until('a leader', async () => Promise.resolve(election.isLeading()));
const read = (name: string) => rig.kubernetes.must('GET', pathOf(name));
const annotate = (name: string, annotations: Record<string, string>) =>
  rig.kubernetes.must('PATCH', pathOf(name), { metadata: { annotations } });

describe('the election', () => {
  it('has one leader, and another as soon as that releases the Lease', async () => {
    const name = nextLease();
    const first = candidate(name, 'first');
    await untilLeading(first);
    const second = candidate(name, 'second');
    const leaderOf = ({ standing }: Election) => (standing.kind === 'standby' ? standing.leader : standing.kind);
    await untilEqual('what the standby sees', () => Promise.resolve(leaderOf(second.election)), 'first');
    expect(await first.election.release()).toBe(true);
    expect(first.election.isLeading()).toBe(false);
    await untilLeading(second);
    expect(await read(name)).toMatchObject({
      metadata: { annotations: { 'consular.dev/epoch': '7' }, labels: { 'consular.dev/cluster': rig.cluster } },
      spec: { holderIdentity: 'second', leaseTransitions: 1, leaseDurationSeconds: 4 },
    });
    expect([first.told, second.told]).toEqual([['leading'], ['standby', 'leading']]);
  });

  it('has another leader when one renews the Lease no more', async () => {
    const name = nextLease();
    const first = candidate(name, 'first');
    await untilLeading(first);
    const second = candidate(name, 'second');
    await until('a standby', async () => Promise.resolve(second.told.includes('standby')));
    first.election.stop();
    await untilLeading(second);
    expect((await read(name)).spec).toMatchObject({ holderIdentity: 'second', leaseTransitions: 1 });
  });

  it('takes a Lease that somebody made and nobody holds, and leaves what else is on it', async () => {
    const name = nextLease();
    const annotations = { 'example.com/note': 'hello' };
    await rig.kubernetes.must('POST', pathOf(), { metadata: { name, annotations, labels: { a: 'b' } }, spec: {} });
    await untilLeading(candidate(name, 'first'));
    expect(await read(name)).toMatchObject({ metadata: { annotations, labels: { a: 'b' } } });
  });

  it('goes on when somebody edits the Lease again and again, and loses nothing of it', async () => {
    const name = nextLease();
    const leader = candidate(name, 'first');
    await untilLeading(leader);
    const before = renewTimeOf(await read(name));
    for (let edit = 0; edit < 60; edit++) await annotate(name, { [`example.com/edit-${edit}`]: String(edit) });
    await until('a renewal', async () => renewTimeOf(await read(name)) > before);
    const { metadata } = await read(name);
    expect(Object.keys(metadata.annotations ?? {}).filter((key) => key.startsWith('example.com/'))).toHaveLength(60);
    expect(leader.told).toEqual(['leading']);
  });

  it('makes a Lease anew that is deleted, under the same leader', async () => {
    const name = nextLease();
    const leader = candidate(name, 'first');
    await untilLeading(leader);
    const { uid } = (await read(name)).metadata;
    await rig.kubernetes.must('DELETE', pathOf(name));
    await until('a new Lease', async () => ((await rig.kubernetes.find(pathOf(name)))?.metadata.uid ?? uid) !== uid);
    expect(await leader.election.confirm()).toBe(true);
    expect(leader.told).toEqual(['leading']);
  });

  it('ends for a leader whose Lease somebody gives to another', async () => {
    const name = nextLease();
    const leader = candidate(name, 'first');
    await untilLeading(leader);
    await rig.kubernetes.must('PATCH', pathOf(name), { spec: { holderIdentity: 'edited' } });
    await until('the loss', async () => Promise.resolve(leader.told.includes('lost')));
    expect(leader.election.isLeading()).toBe(false);
    expect((await read(name)).spec).toMatchObject({ holderIdentity: 'edited' });
  });

  it('tells the leader what an operator asks for, once, and takes that from the Lease', async () => {
    const name = nextLease();
    const leader = candidate(name, 'first');
    await untilLeading(leader);
    await annotate(name, { 'consular.dev/release': '0a1b2c' });
    await until('the request to be taken', async () => !isAsked(await read(name)));
    expect(leader.requests).toEqual(['0a1b2c']);
  });
});

const renewTimeOf = ({ spec }: Manifest) => (spec as { renewTime: string }).renewTime;
const isAsked = ({ metadata }: Manifest) => 'consular.dev/release' in (metadata.annotations ?? {});

describe('an API server that answers nothing', () => {
  let wire: Wire;
  it('suspends the leader, which goes on with the same Lease when nobody took it', async () => {
    wire = await openWire(rig.kubeconfig, folder);
    toClose.push(() => wire.close());
    const name = nextLease();
    const leader = candidate(name, 'first', { kubeconfig: wire.kubeconfig });
    await untilLeading(leader);
    wire.freeze();
    await until('a suspended leader', async () => Promise.resolve(leader.told.includes('suspended')));
    expect(leader.election.isLeading()).toBe(false);
    wire.thaw();
    await untilLeading(leader);
    expect(leader.told).toEqual(['leading', 'suspended', 'leading']);
    expect((await read(name)).spec).toMatchObject({ holderIdentity: 'first', leaseTransitions: 0 });
  });

  it('costs a leader the Lease for good when another took it meanwhile', async () => {
    wire = await openWire(rig.kubeconfig, folder);
    toClose.push(() => wire.close());
    const name = nextLease();
    const first = candidate(name, 'first', { kubeconfig: wire.kubeconfig });
    await untilLeading(first);
    const second = candidate(name, 'second');
    wire.freeze();
    await untilLeading(second);
    expect(first.election.isLeading()).toBe(false);
    wire.thaw();
    await until('the loss', async () => Promise.resolve(first.told.includes('lost')));
    expect(first.told).toEqual(['leading', 'suspended', 'lost']);
    expect((await read(name)).spec).toMatchObject({ holderIdentity: 'second', leaseTransitions: 1 });
  });
});

describe('the rights to the Lease', () => {
  const VERBS = ['get', 'watch', 'update', 'create'];

  it.each(VERBS)('are told by name when the one to %s is missing', async (missing) => {
    const name = nextLease();
    const kubeconfig = await accountThatMay(
      VERBS.filter((verb) => verb !== missing),
      name,
    );
    // Where there is one, nobody needs to make it.
    if (missing !== 'create') await rig.kubernetes.must('POST', pathOf(), { metadata: { name } });
    const { election } = candidate(name, 'first', { kubeconfig });
    const which = missing === 'create' ? '' : ` ${name}`;
    const expected = `expected the right to ${missing} leases.coordination.k8s.io${which} in namespace ${rig.namespace}`;
    await until(`the word that ${missing} is missing`, async () =>
      Promise.resolve(election.failure?.includes(expected) === true),
    );
    expect(election.isLeading()).toBe(missing === 'watch');
  });

  it('are enough when they are for that Lease, but for its creation', async () => {
    const name = nextLease();
    const leader = candidate(name, 'first', { kubeconfig: await accountThatMay(VERBS, name) });
    await untilLeading(leader);
    await annotate(name, { 'consular.dev/release': 'abc' });
    await until('the request to be taken', async () => !isAsked(await read(name)));
    expect(leader.election.failure).toBeUndefined();
  });

  /** The kubeconfig of a service account with these rights to that Lease. */
  async function accountThatMay(verbs: readonly string[], resourceName: string): Promise<string> {
    const { kubernetes, namespace } = rig;
    const account = `account-${resourceName}`;
    const group = { apiGroups: ['coordination.k8s.io'], resources: ['leases'] };
    const named = { ...group, resourceNames: [resourceName], verbs: verbs.filter((verb) => verb !== 'create') };
    const rules = verbs.includes('create') ? [named, { ...group, verbs: ['create'] }] : [named];
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    const subject = { kind: 'ServiceAccount', name: account, namespace };
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: account };
    const metadata = { name: account };
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata });
    await kubernetes.must('POST', `${rbac}/roles`, { metadata, rules });
    await kubernetes.must('POST', `${rbac}/rolebindings`, { metadata, roleRef, subjects: [subject] });
    const right = { apiGroup: 'coordination.k8s.io', resource: 'leases', resourceName };
    for (const verb of named.verbs)
      await until(`the right to ${verb}`, () => isAllowed(kubernetes, subject, { ...right, verb }, namespace));
    const tokens = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
    const { status } = await kubernetes.must('POST', tokens, { spec: { expirationSeconds: 3600 } });
    const { server, ca } = readKubeconfig(rig.kubeconfig);
    const caFile = join(folder, 'ca.crt');
    await writeFile(caFile, ca);
    const file = join(folder, account);
    await writeKubeconfig({ file, server, caFile, token: (status as { token: string }).token });
    return file;
  }
});
