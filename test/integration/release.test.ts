import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Releases } from '../../src/commands/run/releases.ts';
import { Retained } from '../../src/guard/retained.ts';
import { createKubernetesClient } from '../../src/kubernetes/client.ts';
import { connectKubernetes } from '../../src/kubernetes/connection.ts';
import { createLeaseApi } from '../../src/kubernetes/lease.ts';
import { Election } from '../../src/leadership/election.ts';
import { commandLineOn, type CallConsular } from '../rig/command-line.ts';
import { openRig, until, type Rig } from '../rig/index.ts';

const QUIET = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined };
const REQUEST = 'consular.dev/release';

let rig: Rig;
let consular: CallConsular;
let stopLeader: (() => Promise<void>) | undefined;

beforeAll(async () => {
  rig = await openRig();
  consular = commandLineOn(rig, { leaderElection: { namespace: rig.namespace } });
}, 60_000);
afterEach(async () => {
  await stopLeader?.();
  stopLeader = undefined;
  await rig.kubernetes.call('DELETE', leasePath());
});
afterAll(() => rig.close(), 30_000);

const leasePath = () => `/apis/coordination.k8s.io/v1/namespaces/${rig.namespace}/leases/consular-${rig.cluster}`;

async function annotations(): Promise<Record<string, string>> {
  const { metadata } = await rig.kubernetes.must('GET', leasePath());
  return (metadata as { annotations?: Record<string, string> }).annotations ?? {};
}

/** A leader that retains these, as the daemon has it: by the product's own election. */
async function startLeader(members: readonly string[]): Promise<Retained> {
  const retained = new Retained();
  for (const member of members) retained.keep({ service: 'orders', member, why: 'not Ready' }, 0);
  const release = (hash: string) => {
    const released = retained.release(hash, 1000);
    if (!released.isKnown) return { outcome: 'unknown' as const };
    return { outcome: 'released' as const, instances: released.members, staying: released.staying };
  };
  const releases = new Releases(() => [{ release }], QUIET);
  const client = createKubernetesClient(
    connectKubernetes({ kubeconfig: rig.kubeconfig, context: '' }),
    'consular/test',
  );
  const lease = { namespace: rig.namespace, name: `consular-${rig.cluster}` };
  const election = new Election({
    ...{ lease, cluster: rig.cluster, identity: 'leader', log: QUIET, onStanding: () => undefined },
    api: createLeaseApi(client, lease),
    annotations: () => (releases.latest === undefined ? {} : { 'consular.dev/released': releases.latest }),
    mayTakeRequest: () => true,
    onReleaseRequest: (text) => releases.request(text),
    mayAcquire: () => true,
  });
  stopLeader = async () => {
    election.stop();
    await client.close();
  };
  election.start();
  await until('a leader', () => Promise.resolve(election.isLeading()));
  return retained;
}

/** A Lease that nobody holds. */
const createLease = (given: Record<string, string> = {}) =>
  rig.kubernetes.must('POST', leasePath().replace(/\/[^/]+$/, ''), {
    metadata: { name: `consular-${rig.cluster}`, annotations: given },
    spec: { holderIdentity: '', leaseDurationSeconds: 15, leaseTransitions: 1 },
  });

describe('consular release', () => {
  it('has the leader let go what it showed under the hash, and says how many that were', async () => {
    const retained = await startLeader(['orders-1', 'orders-2']);
    const hash = retained.show(0)?.hash ?? '';
    const { status, stdout, stderr } = await consular('release', hash);
    expect({ status, stdout }).toEqual({ status: 0, stdout: `released 2 under ${hash}\n` });
    expect(stderr).toMatch(/^(waiting for the leader leader\n)?$/);
    expect(retained.size).toBe(0);
    expect(await annotations()).not.toHaveProperty([REQUEST]);
  });

  it('says it in fields, and that what was retained later stays', async () => {
    const retained = await startLeader(['orders-1']);
    const hash = retained.show(0)?.hash ?? '';
    retained.keep({ service: 'orders', member: 'orders-2', why: 'not Ready' }, 500);
    const { status, stdout } = await consular('release', hash, '--output', 'json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      lease: `${rig.namespace}/consular-${rig.cluster}`,
      hash,
      outcome: { hash, isKnown: true, released: 1, staying: 1 },
    });
  });

  it('ends with 2 when the leader retains nothing under the hash, also when another was released before', async () => {
    const retained = await startLeader(['orders-1']);
    await consular('release', retained.show(0)?.hash ?? '');
    const { status, stdout } = await consular('release', '00000000');
    expect(status).toBe(2);
    expect(stdout).toBe('nothing is retained under 00000000: nothing was shown under it within the last hour\n');
  });

  it('ends with 2 when nothing that was shown under the hash is retained any more', async () => {
    const retained = await startLeader(['orders-1']);
    const hash = retained.show(0)?.hash ?? '';
    await consular('release', hash);
    const { status, stdout } = await consular('release', hash);
    const why = 'what was shown under it is not retained any more';
    expect({ status, stdout }).toEqual({ status: 2, stdout: `released nothing under ${hash}: ${why}\n` });
  });

  it('does not take what became of the same hash before for an answer, and ends with 1 when nobody says it', async () => {
    const outcome = { hash: '00000000', known: true, released: 9, staying: 0 };
    await createLease({ 'consular.dev/released': JSON.stringify(outcome) });
    const asked = consular('release', '00000000', '--timeout', '60');
    await until('the request', async () => REQUEST in (await annotations()));
    await rig.kubernetes.must('PATCH', leasePath(), { metadata: { annotations: { [REQUEST]: null } } });
    const { status, stdout, stderr } = await asked;
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain(
      'it was taken from the Lease; expected annotation consular.dev/released to say what became of it, found none',
    );
  });

  it('waits for what somebody else asked for before', async () => {
    await createLease({ [REQUEST]: '11111111' });
    let said = '';
    const call = commandLineOn(rig, { leaderElection: { namespace: rig.namespace } }, (text) => (said = text));
    const released = call('release', '00000000', '--timeout', '60');
    await until('that it waits', () => Promise.resolve(said.includes('waiting until the leader has taken 11111111\n')));
    await startLeader([]);
    expect((await released).status).toBe(2);
    expect(await annotations()).not.toHaveProperty([REQUEST]);
  });

  it('takes back what nobody takes in time, and says that nobody leads', async () => {
    await createLease();
    const { status, stdout, stderr } = await consular('release', '00000000', '--timeout', '1');
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain('nobody leads yet\n');
    expect(stderr).toContain('the leader did not take it in time, and it was taken back');
    expect(await annotations()).not.toHaveProperty([REQUEST]);
  });

  it('says where to look when there is no Lease', async () => {
    const { status, stderr } = await consular('release', '00000000');
    expect(status).toBe(1);
    expect(stderr).toBe(
      `consular: release 00000000 by Lease ${rig.namespace}/consular-${rig.cluster}: expected the Lease, found none. ` +
        'Where no leader is elected, write the hash into the file that the setting controlFile names\n',
    );
  });

  it('looks in the namespace of the shipped account, or of the one that is named', async () => {
    const without = commandLineOn(rig, {});
    const shipped = await without('release', '00000000');
    expect(shipped.stderr).toContain(`Lease consular/consular-${rig.cluster}: expected the Lease, found none`);
    const named = await without('release', '00000000', '--account', `${rig.namespace}/other`);
    expect(named.stderr).toContain(`Lease ${rig.namespace}/consular-${rig.cluster}: expected the Lease, found none`);
  });

  it('says that there is no election where it is switched off', async () => {
    const { status, stderr } = await commandLineOn(rig, { leaderElection: { enabled: false } })('release', '00000000');
    expect(status).toBe(1);
    expect(stderr).toContain('expected an election, found leaderElection.enabled: false');
  });
});
