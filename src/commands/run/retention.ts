import { hostname } from 'node:os';
import { inBackground } from '../../background.ts';
import { systemClock } from '../../clock.ts';
import { findOwnPod } from '../../kubernetes/connection.ts';
import type { EventRecorder } from '../../kubernetes/events.ts';
import { DEPLOYMENT, findDeployment } from '../../kubernetes/own-deployment.ts';
import type { Clients, Context } from '../../world/context.ts';
import type { ControllerStatus } from '../../reconcile/controller.ts';
import { followControlFile } from './control-file.ts';
import { untilFirstPass } from './first-pass.ts';
import { Releases, type Releasing } from './releases.ts';
import {
  describeRetained,
  retainedRows,
  type DirectionName,
  type RetainedRow,
  type WhatIsRetained,
} from './retained.ts';
import { reportRetained } from './retained-report.ts';

/** A direction that keeps what would go at once until somebody says that it may. */
export interface RetainingDirection extends Releasing {
  retaining(): WhatIsRetained;
  status(): ControllerStatus;
}

export type RetainingDirections = readonly (readonly [DirectionName, RetainingDirection])[];

/** The pod that this process runs in. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** Shows what both directions retain, wherever somebody may look, and takes the word of whoever lets it go. */
export class Retention {
  readonly #context: Context;
  readonly #kubernetes: Clients['kubernetes'];
  readonly #pod: PodName | undefined;
  readonly #releases: Releases;
  #directions: RetainingDirections | undefined;
  /** Whether each direction has looked at all there is once, so that it is known what is retained. */
  #isFirstPassOver = false;
  #deployment: ReturnType<typeof findDeployment> | undefined;

  constructor(context: Context, { kubernetes }: Pick<Clients, 'kubernetes'>, pod = ownPod(context)) {
    this.#context = context;
    this.#kubernetes = kubernetes;
    this.#pod = pod;
    const releasing = () => (this.#isFirstPassOver ? this.#directions?.map(([, one]) => one) : undefined);
    this.#releases = new Releases(releasing, context.log);
  }

  /** False as long as what is asked for would have to wait; it is not taken from the Lease until then. */
  get mayTakeRequest(): boolean {
    return this.#isFirstPassOver;
  }

  /** @param text hashes, one a line */
  request(text: string): void {
    this.#releases.request(text);
  }

  /** What became of the last hash that somebody asked to be released, for the Lease. */
  get released(): string | undefined {
    return this.#releases.latest;
  }

  /** For /status. */
  rows(): RetainedRow[] {
    return this.#shown().flatMap(([name, shown]) => retainedRows(name, shown));
  }

  /** For Consular's own entry: a sentence for each direction that retains anything. */
  sentences(): string[] {
    return this.#shown().flatMap(([name, shown]) => describeRetained(name, shown) ?? []);
  }

  /** The directions run. */
  begin(directions: RetainingDirections, events: Pick<EventRecorder, 'report'>): void {
    this.#directions = directions;
    const { config, log, signal, timings } = this.#context;
    const given = { log, signal, clock: systemClock };
    inBackground(this.#beginReleases(directions));
    const onRetained = (text: string) => inBackground(this.#tellDeployment(events, text));
    inBackground(
      reportRetained({ ...given, retaining: () => this.#shown(), onRetained, lookMs: timings?.retainedLookMs }),
    );
    const { controlFile: path } = config;
    if (path !== '') inBackground(followControlFile({ ...given, path, onLines: (text) => this.request(text) }));
  }

  async #beginReleases(directions: RetainingDirections): Promise<void> {
    const statuses = () => directions.map(([, direction]) => direction.status());
    await untilFirstPass({ statuses, clock: systemClock, signal: this.#context.signal });
    this.#isFirstPassOver = true;
    this.#releases.begin();
  }

  #shown(): (readonly [DirectionName, WhatIsRetained])[] {
    return (this.#directions ?? []).map(([name, direction]) => [name, direction.retaining()] as const);
  }

  /** Where there is no pod, or it belongs to no Deployment, the log and the other places say it. */
  async #tellDeployment(events: Pick<EventRecorder, 'report'>, note: string): Promise<void> {
    if (!this.#pod) return;
    const { namespace, name } = this.#pod;
    try {
      const deployment = await (this.#deployment ??= findDeployment(this.#kubernetes, namespace, name));
      events.report(DEPLOYMENT, deployment, { type: 'Warning', reason: 'RemovalsRetained', action: 'Retain', note });
    } catch (error) {
      this.#deployment = undefined;
      this.#context.log.warn('what is retained is not told on the Deployment, which was not found', { error });
    }
  }
}

function ownPod({ config }: Pick<Context, 'config'>): PodName | undefined {
  const namespace = findOwnPod(config.kubernetes)?.namespace;
  return namespace ? { namespace, name: hostname() } : undefined;
}
