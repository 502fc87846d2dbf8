import { isObject, numberField, parseObject, stringField } from '../json.ts';

/** What the key of the fence says: who writes to Consul for a cluster. */
export interface FenceRecord {
  /** Grows with each holder, and with each write of which nobody knows what became of it. */
  readonly epoch: number;
  /** Which process. */
  readonly holder: string;
  /** Of the namespace that identifies the cluster, by default kube-system. */
  readonly clusterUid: string;
  /** By which the holder leads; undefined for one without an election. */
  readonly lease?: LeaseMark | undefined;
}

/** Which Lease, and how often it had changed hands. */
export interface LeaseMark {
  readonly uid: string;
  readonly transitions: number;
}

/** Below the name of the cluster, which is a DNS label, so that a policy can name it. */
export function fenceKey(cluster: string): string {
  return `consular/${cluster}/leader`;
}

export function writeRecord({ epoch, holder, clusterUid, lease }: FenceRecord): string {
  return JSON.stringify({ epoch, holder, clusterUid, lease });
}

/** Undefined for a text that no Consular wrote: somebody may have edited the key. */
export function readRecord(text: string): FenceRecord | undefined {
  const value = parseObject(text);
  if (!value) return undefined;
  const epoch = numberField(value, 'epoch');
  const [holder, clusterUid] = [stringField(value, 'holder'), stringField(value, 'clusterUid')];
  if (epoch === undefined || !isEpoch(epoch) || holder === '') return undefined;
  return { epoch, holder, clusterUid, lease: readMark(value.lease) };
}

/** Whether a Consular may have written that number as its epoch. */
export function isEpoch(number: number): boolean {
  return Number.isSafeInteger(number) && number >= 1;
}

function readMark(value: unknown): LeaseMark | undefined {
  if (!isObject(value)) return undefined;
  const [uid, transitions] = [stringField(value, 'uid'), numberField(value, 'transitions')];
  return uid === '' || transitions === undefined ? undefined : { uid, transitions };
}

/**
 * Whether the key tells of a later time of the Lease than the Lease itself: Kubernetes was put back to an older state. Each holder
 * that is new to the Lease adds one to its transitions, so another holder had it with fewer than we have.
 * @param holder who we are
 */
export function isOlderLease(found: FenceRecord | undefined, holder: string, now: LeaseMark | undefined): boolean {
  if (!found?.lease || found.lease.uid !== now?.uid) return false;
  const { transitions } = found.lease;
  return found.holder === holder ? now.transitions < transitions : now.transitions <= transitions;
}

/**
 * What is found at the key, against what we hold:
 *
 * | the key                                             | verdict   |
 * |-----------------------------------------------------|-----------|
 * | is not there, or is not readable                    | lost      |
 * | has a lower epoch than ours, whoever holds it       | lost      |
 * | is ours, with our epoch or a higher one             | ours      |
 * | is held by another, with our epoch or a higher one  | displaced |
 */
export function judgeRecord(held: FenceRecord, found: FenceRecord | undefined): 'ours' | 'displaced' | 'lost' {
  if (!found || found.epoch < held.epoch) return 'lost';
  return found.holder === held.holder ? 'ours' : 'displaced';
}
