import { createHash } from 'node:crypto';
import { systemClock, type Clock } from '../../clock.ts';
import type { KubernetesObject } from '../../kubernetes/objects.ts';
import { ANNOTATION } from '../../mark.ts';
import type { Difference } from '../objects/differences.ts';
import { problem, type Problem } from '../problem.ts';

/** So often in a row the same change of somebody else is undone at once. */
const AT_ONCE = 5;
/** So often in a minute any changes are undone at once: more comes from a program, whatever it changes. */
const AT_ONCE_A_MINUTE = 20;
const MINUTE_MS = 60_000;
/** After that an object rests before it is written again: 1, 2, 4 ... 60 s. */
const REST = { firstMs: 1000, longestMs: 60_000 };
/** What was not written for so long is not disputed any more. */
const FORGOTTEN_AFTER_MS = 5 * 60_000;
/** Fields that a message names. */
const MOST_FIELDS = 3;

/** An object rests, or was written and is not as it was written: to be tried again later, and told already. */
export class Disputed extends Error {}

/** What is written, and the Service that it is for. */
export interface Subject {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly serviceName: string;
}

/** A write that the API server took. */
export interface Taken<D> extends Subject {
  readonly desired: D;
  /** The object as it was before; undefined for one that was made. */
  readonly before: KubernetesObject | undefined;
  /** What of it somebody had changed. */
  readonly undone: readonly Difference[];
  /** What of it is not as it was sent. */
  readonly altered: readonly Difference[];
}

export interface DisputesOptions {
  /** Told when an object is disputed, and with undefined when it is not any more. */
  readonly tell: (subject: Subject, problem: Problem | undefined) => void;
  /** @default the machine's */
  readonly clock?: Clock;
}

interface Dispute {
  readonly subject: Subject;
  /** What was wanted, */
  readonly desired: string;
  /** and what it was written for. */
  readonly reason: string;
  readonly times: number;
  /** The writes of the minute, for the same that was wanted. */
  readonly minute: { readonly since: number; readonly writes: number };
  readonly restsUntil: number;
  /** Somebody deletes the object each time. */
  readonly isDeletion: boolean;
  readonly problem: Problem | undefined;
  readonly cancel: () => void;
}

/**
 * Objects of ours that somebody else will have otherwise:
 *
 * | the object                                                       | is written again                        | told        |
 * |------------------------------------------------------------------|-----------------------------------------|-------------|
 * | was changed by somebody                                          | at once                                 | no          |
 * | was changed in the same way again, for the sixth time in a row   | after 1, 2, 4 ... 60 s                  | `Contested` |
 * | was changed in any ways, for the 21st time in a minute           | the same                                | `Contested` |
 * | is not as it was sent, because a policy or a webhook changed it  | after 1, 2, 4 ... 60 s                  | `Altered`   |
 * | was not written for five minutes, or is removed by us            | at once                                 | no more     |
 *
 * A change of what is wanted is no dispute, and begins anew.
 */
export class Disputes {
  readonly #tell: DisputesOptions['tell'];
  readonly #clock: Clock;
  readonly #disputes = new Map<string, Dispute>();

  constructor({ tell, clock = systemClock }: DisputesOptions) {
    this.#tell = tell;
    this.#clock = clock;
  }

  /**
   * Nothing else that is wanted of an object waits for its rest, nor an object that is gone for once.
   * @throws Disputed while the object rests
   */
  assertRested<D>({ desired, before, ...subject }: Subject & Pick<Taken<D>, 'desired' | 'before'>): void {
    const { problem, restsUntil = 0, isDeletion, desired: disputed } = this.#disputes.get(idOf(subject)) ?? {};
    if (before === undefined && isDeletion !== true) return;
    if (problem && this.#clock.now() < restsUntil && digest(desired) === disputed) throw new Disputed(problem.message);
  }

  /** @throws Disputed when the object is not as it was sent */
  wrote<D>(taken: Taken<D>): void {
    const { desired, before, undone, altered } = taken;
    const isAltered = altered.length > 0;
    const isDeletion = before === undefined && !isAltered;
    // What else is on the object, such as the time of somebody's last look, makes no difference.
    const fields = digest(undone.map(({ field }) => field));
    const reason = isAltered ? 'altered' : isDeletion ? 'deleted' : fields;
    const write = { desired: digest(desired), reason, isDeletion };
    const known = this.#disputes.get(idOf(taken));
    const isSame = known?.desired === write.desired && known.reason === write.reason;
    const times = isSame ? known.times + 1 : 1;
    const minute = this.#minuteAfter(known, write.desired);
    const rests = isAltered ? times : Math.max(times - AT_ONCE, minute.writes - AT_ONCE_A_MINUTE);
    const found = isAltered ? alteredOf(taken, altered) : rests > 0 ? contestedOf(taken) : undefined;
    const restMs = rests > 0 ? Math.min(REST.longestMs, REST.firstMs * 2 ** (rests - 1)) : 0;
    this.#note(taken, { ...write, times, minute, restsUntil: this.#clock.now() + restMs, problem: found });
    if (isAltered && found) throw new Disputed(found.message);
  }

  /** We removed it, so that whatever comes next under its name is another. */
  forget(subject: Subject): void {
    const id = idOf(subject);
    const dispute = this.#disputes.get(id);
    dispute?.cancel();
    this.#disputes.delete(id);
    if (dispute?.problem) this.#tell(dispute.subject, undefined);
  }

  /** Nothing is told any more. */
  end(): void {
    for (const { cancel } of this.#disputes.values()) cancel();
    this.#disputes.clear();
  }

  #minuteAfter(known: Dispute | undefined, desired: string): Dispute['minute'] {
    const now = this.#clock.now();
    const isOf = known?.desired === desired && now - known.minute.since < MINUTE_MS;
    return isOf ? { since: known.minute.since, writes: known.minute.writes + 1 } : { since: now, writes: 1 };
  }

  #note({ kind, namespace, name, serviceName }: Subject, noted: Omit<Dispute, 'subject' | 'cancel'>): void {
    const subject = { kind, namespace, name, serviceName };
    const id = idOf(subject);
    const known = this.#disputes.get(id);
    known?.cancel();
    const cancel = this.#clock.after(FORGOTTEN_AFTER_MS, () => this.forget(subject));
    this.#disputes.set(id, { ...noted, subject, cancel });
    if (noted.problem?.message !== known?.problem?.message) this.#tell(subject, noted.problem);
  }
}

function idOf({ kind, namespace, name }: Subject): string {
  return `${kind} ${namespace}/${name}`;
}

function contestedOf({ before, undone, ...subject }: Taken<unknown>): Problem {
  const what = undone.length === 0 ? 'owner or marks' : namesOf(undone);
  const how = before === undefined ? 'deleted' : `changed (${what})`;
  const message = `${idOf(subject)} is ${how} by somebody else each time that it is written, and is put right once a minute at most`;
  return problem('Contested', message);
}

function alteredOf(subject: Subject, altered: readonly Difference[]): Problem {
  const message = `${idOf(subject)} is not as it was sent (${namesOf(altered)}): a policy or webhook changes it; it is tried again once a minute at most`;
  return problem('Altered', message);
}

function namesOf(differences: readonly Difference[]): string {
  const shown = differences.slice(0, MOST_FIELDS).map(({ field, desired, observed }) => {
    return `${field}: ${observed} instead of ${desired}`;
  });
  const more = differences.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}

/** The same for what is the same, whenever it was written. */
function digest(value: unknown): string {
  const text = JSON.stringify(value, (key, part: unknown) => {
    if (key === 'resourceVersion') return undefined;
    return part instanceof Map ? [...part].filter(([name]) => name !== ANNOTATION.consulIndex) : part;
  });
  return createHash('sha256')
    .update(text ?? '')
    .digest('base64');
}
