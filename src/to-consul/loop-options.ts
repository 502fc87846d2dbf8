import type { Clock } from '../clock.ts';
import type { ConsulRight } from '../consul/rights.ts';
import type { ChangeLog } from '../observability/change-log.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { ControllerOptions, ControllerState, ControllerStatus } from '../reconcile/controller.ts';
import type { Proof } from './observed/proof-reader.ts';
import type { FirstProofs } from './plan/first-proofs.ts';
import type { Losses } from './plan/losses.ts';
import type { Places } from './plan/places.ts';
import type { Planner } from './plan/planner.ts';
import type { PodPlan } from './plan/pod-plan.ts';
import type { Patience } from './report/patience.ts';
import type { Reporter } from './report/reporter.ts';

/** What the loop is given; tests give it less than the whole of each. */
export interface LoopOptions {
  readonly planner: Pick<Planner, 'plan' | 'keys'>;
  readonly places: Pick<Places, 'record'>;
  /** Told of what becomes of instances, here and nowhere else; the planner asks it. */
  readonly losses: Pick<Losses, 'startAnew' | 'isAtStake' | 'note' | 'release' | 'expire' | 'dueInMs'>;
  /** What is ours in Consul. */
  readonly own: {
    readonly size: number;
    /** Reads a node of ours again; the pods for which something differs. */
    refresh(node: string): Promise<Iterable<string>>;
  };
  /** What others have in Consul. */
  readonly foreign: {
    /** Whether it is known of every name if anybody else has it, for what that pod wants to be. */
    isListed(podKey: string): boolean;
    /** Reads who has the service beside us, for the sake of that pod. */
    ensure(service: string, podKey: string): Promise<void>;
    /** These pods changed, or what is known of them. */
    podsChanged(podKeys: Iterable<string>): void;
    follow(service: string): void;
    subscribe(listener: (name: string) => void): void;
  };
  /** What Consul refuses for want of rights: no plan of the planner has it. */
  readonly denied: { subscribe(listener: (right: ConsulRight) => void): void };
  /** Asks `planToWrite` at the moment of sending; resolves when Consul has what the key's latest state wants. */
  readonly writer: {
    /** Whether a key that is submitted now has to wait until a transaction comes back. */
    readonly isFull: boolean;
    submit(key: string): Promise<void>;
  };
  /** Direct reads of Kubernetes. */
  readonly proofs: { exists(podKey: string, proof: Proof): Promise<boolean> };
  readonly firstProofs: Pick<FirstProofs, 'clear' | 'give' | 'forget' | 'settle'>;
  readonly patience: Pick<Patience, 'judge'>;
  readonly report: Pick<Reporter, 'rejections' | 'warnings' | 'ofServices' | 'rejected' | 'alike'>;
  /** Undefined while the readiness gate is off. */
  readonly gate: { settle(podKey: string, plan: PodPlan): Promise<void> } | undefined;
  readonly brake: ControllerOptions['brake'];
  /** One record for each change that Consul took. */
  readonly changes: Pick<ChangeLog, 'note'>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

export interface LoopStatus extends ControllerStatus {
  /** In Consul, by us. */
  readonly instances: number;
  /** Objects for which what was asked cannot be done. */
  readonly rejected: number;
  /** Instances that stay although they are not wanted as they are. */
  readonly held: number;
  /** Instances that stay although their pods are not Ready, because much was lost at once. */
  readonly retained: number;
  /** Instances that would go and stay with a critical check, because `toConsul.removals` is never. */
  readonly kept: number;
  /** For metrics. */
  readonly queue: ControllerState;
}
