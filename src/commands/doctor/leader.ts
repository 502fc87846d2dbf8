import { createKeyValue } from '../../consul/key-value.ts';
import { arrayField, expectObject, isObject, objectField, stringField } from '../../json.ts';
import { hasStatus } from '../../kubernetes/errors.ts';
import { createLeaseApi, type Lease, type LeaseName } from '../../kubernetes/lease.ts';
import { fenceKey, readRecord, type FenceRecord } from '../../leadership/fence-record.ts';
import { findingsOf, type Finding } from './finding.ts';
import type { Check, Patient } from './patient.ts';

const ofLease = findingsOf('leader.lease');
const ofFence = findingsOf('leader.fence');
const ofStandby = findingsOf('leader.standby');

/** Whether somebody leads, Lease and fence name the same one, and another stands by. */
export const leader: Check = {
  id: 'leader.lease',
  needs: ['Kubernetes', 'Consul'],
  run: async (patient, signal) => {
    const { kubernetes, consul, config, lease: place, now } = patient;
    const stored = createKeyValue(consul).read(fenceKey(config.cluster));
    if (!place) {
      const record = await recordOf(stored);
      const said = record ? `, and ${record.holder} wrote last` : '';
      return [ofLease.skipped(`there is no election with this configuration here: see leaderElection.enabled${said}`)];
    }
    const [lease, record, pods] = await Promise.all([
      createLeaseApi(kubernetes, place).read(signal),
      recordOf(stored),
      readPods(patient, place),
    ]);
    return [judgeLease(place, lease, now()), judgeFence(place, lease, record), judgeStandby(place, pods)];
  },
};

/** Undefined where there is no key, or none that can be read; the right to it is a check of its own. */
async function recordOf(stored: Promise<{ readonly value: string } | undefined>): Promise<FenceRecord | undefined> {
  const found = await stored.catch(() => undefined);
  return found && readRecord(found.value);
}

/** Pods with the label of the shipped manifests; undefined where they may not be listed, which the daemon has no need of. */
async function readPods(patient: Patient, place: LeaseName): Promise<OwnPodState[] | undefined> {
  try {
    return await listPods(patient, place);
  } catch (error) {
    if (hasStatus(error, 403)) return undefined;
    throw error;
  }
}

async function listPods({ kubernetes }: Patient, { namespace }: LeaseName): Promise<OwnPodState[]> {
  const answer = await kubernetes.request({
    purpose: { verb: 'list', kind: 'Pod', object: namespace },
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`,
    query: { labelSelector: 'app.kubernetes.io/name=consular' },
  });
  return arrayField(expectObject(answer, 'Pod list'), 'items')
    .filter(isObject)
    .map((pod) => {
      const conditions = arrayField(objectField(pod, 'status'), 'conditions').filter(isObject);
      const ready = conditions.find((condition) => stringField(condition, 'type') === 'Ready');
      return {
        name: stringField(objectField(pod, 'metadata'), 'name'),
        isReady: ready !== undefined && stringField(ready, 'status') === 'True',
      };
    });
}

export interface OwnPodState {
  readonly name: string;
  readonly isReady: boolean;
}

/** Clocks differ a little; a leader renews every 2 s. */
const LATE_MS = 15_000;

export function judgeLease({ namespace, name }: LeaseName, lease: Lease | undefined, nowMs: number): Finding {
  const place = `${namespace}/${name}`;
  const start = `kubectl -n ${namespace} rollout status deployment/consular   # and: kubectl -n ${namespace} logs -l app.kubernetes.io/name=consular --tail=20`;
  if (!lease) return ofLease.warning(`there is no Lease ${place}: no Consular has led here yet`, start);
  const { holderIdentity, renewTime } = lease;
  if (holderIdentity === '')
    return ofLease.warning(`nobody holds Lease ${place}: it was released at ${renewTime}`, start);
  const age = nowMs - Date.parse(renewTime);
  if (age > LATE_MS + lease.leaseDurationSeconds * 1000)
    return ofLease.error(
      `${holderIdentity} holds Lease ${place} and has not renewed it since ${renewTime}: nobody writes`,
      start,
    );
  if (age < -LATE_MS)
    return ofLease.warning(
      `${holderIdentity} has renewed Lease ${place} in the future, at ${renewTime}: its clock and ours differ`,
      'chronyc tracking   # on the node of the leader, and here',
    );
  return ofLease.ok(`${holderIdentity} leads, by Lease ${place}`);
}

/**
 * | the fence                                         | the Lease                  |           |
 * |---------------------------------------------------|----------------------------|-----------|
 * | is not there                                      |                            | skipped: nobody has written yet, or unfenced |
 * | names another Lease than ours                     |                            | error: another installation has the cluster's name |
 * | names the holder of the Lease                     |                            | ok        |
 * | names another holder                              | is held                    | warning: a hand-over is on its way, or stuck |
 * | names a holder                                    | is free, or not there      | ok        |
 */
export function judgeFence(place: LeaseName, lease: Lease | undefined, record: FenceRecord | undefined): Finding {
  if (!record)
    return ofFence.skipped('there is no record of who writes to Consul: nobody has written yet, or unfenced');
  const { holder, epoch } = record;
  if (lease && record.lease && record.lease.uid !== lease.uid)
    return ofFence.error(
      `${holder} writes to Consul by another Lease than ${place.namespace}/${place.name}: another installation has the name of this cluster, or the Lease was deleted and made anew`,
      `kubectl get leases -A | grep ${place.name}   # two of them are two installations: give one another name, with the setting cluster`,
    );
  if (lease && lease.holderIdentity !== '' && lease.holderIdentity !== holder)
    return ofFence.warning(
      `${lease.holderIdentity} holds the Lease, and ${holder} wrote to Consul last (epoch ${epoch})`,
      `kubectl -n ${place.namespace} logs -l app.kubernetes.io/name=consular --tail=20   # a hand-over takes seconds; then it says what is missing`,
    );
  return ofFence.ok(`${holder} wrote to Consul last (epoch ${epoch})`);
}

/** Whether another pod is ready to take over. @param pods undefined where they may not be listed */
export function judgeStandby({ namespace }: LeaseName, pods: readonly OwnPodState[] | undefined): Finding {
  if (!pods) return ofStandby.skipped(`pods in namespace ${namespace} may not be listed`);
  const ready = pods.filter(({ isReady }) => isReady).map(({ name }) => name);
  if (ready.length > 1) return ofStandby.ok(`${ready.length} pods are ready: ${ready.join(', ')}`);
  if (pods.length === 0)
    return ofStandby.skipped(`no pod in namespace ${namespace} has the label app.kubernetes.io/name=consular`);
  const state = ready.length === 1 ? `only ${ready.join()} is ready` : 'no pod is ready';
  return ofStandby.warning(
    `${state} of ${pods.length} in namespace ${namespace}: nobody stands by`,
    `kubectl -n ${namespace} scale deployment/consular --replicas=2`,
  );
}
