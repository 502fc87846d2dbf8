import type { PlanSources } from '../plan/sources.ts';
import { ImportsLoop, type ImportsLoopOptions } from './loop.ts';
import { ImportPlanner } from './planner.ts';

export interface ImportsOptions extends Pick<
  ImportsLoopOptions,
  'writer' | 'report' | 'metrics' | 'enqueue' | 'onWritten'
> {
  readonly sources: PlanSources;
  readonly catalog: ImportsLoopOptions['catalog'] & Subscribable;
  readonly hosts: ImportsLoopOptions['hosts'] & Subscribable;
}

/** Told of a Consul service that changed. */
interface Subscribable {
  subscribe(listener: (name: string) => void): void;
}

/** Wires the loop of imports to what it follows. */
export function runImports({ sources, catalog, hosts, ...more }: ImportsOptions): ImportsLoop {
  const { views, own } = sources;
  // Before the loop hears of anything: its indexes are to be up to date by then.
  const planner = new ImportPlanner(sources);
  const loop = new ImportsLoop({
    ...{ services: views.services, planner, catalog, hosts, ...more },
    isMirroredIn: (name, namespace) => own.namespaces(name).includes(namespace),
  });
  views.services.subscribe((before, after) => loop.onService(before, after));
  views.endpointSlices.subscribe((before, after) => loop.onSlice(before, after));
  for (const source of [catalog, hosts]) source.subscribe((name) => loop.onConsulService(name));
  loop.start();
  return loop;
}
