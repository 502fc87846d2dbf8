import { inBackground } from '../../background.ts';
import { systemClock } from '../../clock.ts';
import type { EventRecorder } from '../../kubernetes/events.ts';
import type { Context } from '../../world/context.ts';
import type { ControllerStatus } from '../../reconcile/controller.ts';
import { followControlFile } from './control-file.ts';
import type { DeploymentEvents } from './deployment-events.ts';
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

/** Shows what both directions retain, wherever somebody may look, and takes the word of whoever lets it go. */
export class Retention {
  readonly #context: Context;
  readonly #deployment: DeploymentEvents;
  readonly #releases: Releases;
  #directions: RetainingDirections | undefined;
  /** Whether each direction has looked at all there is once, so that it is known what is retained. */
  #isFirstPassOver = false;

  constructor(context: Context, deployment: DeploymentEvents) {
    this.#context = context;
    this.#deployment = deployment;
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
    const onRetained = (note: string) =>
      inBackground(this.#deployment.warn(events, { reason: 'RemovalsRetained', action: 'Retain', note }));
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
}
