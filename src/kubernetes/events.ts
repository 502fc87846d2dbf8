import PQueue from 'p-queue';
import { inBackground } from '../background.ts';
import { systemClock, type Clock } from '../clock.ts';
import type { EventReason } from '../event-reasons.ts';
import { escapeControls } from '../json.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { KubernetesRequester } from './client.ts';
import { hasStatus } from './errors.ts';
import type { KubernetesObject } from './objects.ts';
import type { Resource } from './resources.ts';

export interface EventReport {
  /** Nothing is told of what goes well. */
  readonly type: 'Warning';
  readonly reason: EventReason;
  /** CamelCase: what Consular was doing. */
  readonly action: string;
  /** One sentence for the person who can change something. */
  readonly note: string;
  /** Good to know, and no more: such an Event waits for all others, and is dropped before them. @default false */
  readonly isMinor?: boolean;
}

/** Of what kind something is that an Event is about. */
type EventSubject = Pick<Resource<KubernetesObject>, 'apiVersion' | 'kind'>;
type Identity = Pick<KubernetesObject, 'namespace' | 'name' | 'uid'>;

/** The same words about the same object are not repeated sooner; the API server keeps Events for an hour by default. */
const REPEAT_AFTER_MS = 30 * 60_000;
const REMEMBERED = 5000;
/** Events are a courtesy: a flood of them is dropped, never a burden. */
const MOST_WAITING = 500;
const MOST_MINOR_WAITING = 250;
/** Limit of events.k8s.io/v1. */
const LONGEST_NOTE = 1024;

/** Writes Kubernetes Events about objects, fire and forget: no caller waits for it or fails with it. */
export class EventRecorder {
  readonly #client: KubernetesRequester;
  readonly #instance: string;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #clock: Pick<Clock, 'now' | 'date'>;
  readonly #random: () => number;
  readonly #mayWrite: () => boolean;
  readonly #queue = new PQueue({ concurrency: 1, interval: 1000, intervalCap: 25 });
  readonly #sent = new Map<string, number>();
  #stopped = false;

  constructor(
    client: KubernetesRequester,
    instance: string,
    log: Log,
    metrics: Metrics,
    clock: Pick<Clock, 'now' | 'date'> = systemClock,
    random = Math.random,
    mayWrite = () => true,
  ) {
    this.#client = client;
    this.#instance = instance;
    this.#log = log;
    this.#metrics = metrics;
    this.#clock = clock;
    this.#random = random;
    this.#mayWrite = mayWrite;
  }

  /** What is reported while nothing may be written is dropped: whoever has something to tell tells it again afterwards. */
  report(resource: EventSubject, about: Identity, event: EventReport): void {
    if (this.#stopped || !this.#mayWrite()) return;
    const identity = [about.uid, event.reason, event.note].join('\n');
    const now = this.#clock.now();
    if (now - (this.#sent.get(identity) ?? -Infinity) < REPEAT_AFTER_MS) return;
    const isMinor = event.isMinor ?? false;
    if (this.#queue.size >= (isMinor ? MOST_MINOR_WAITING : MOST_WAITING))
      return this.#metrics.events.inc({ outcome: 'dropped' });
    this.#sent.delete(identity);
    this.#sent.set(identity, now);
    for (const oldest of this.#sent.keys()) {
      if (this.#sent.size <= REMEMBERED) break;
      this.#sent.delete(oldest);
    }
    const write = async () => {
      if (this.#mayWrite()) return this.#write(resource, about, event);
      this.#sent.delete(identity);
    };
    inBackground(this.#queue.add(write, { priority: isMinor ? 0 : 1 }));
  }

  /** Drops what is waiting: nobody waits for Events, and an ending process least of all. */
  stop(): void {
    this.#stopped = true;
    this.#queue.clear();
  }

  async #write(resource: EventSubject, about: Identity, { type, reason, action, note }: EventReport): Promise<void> {
    const now = this.#clock.date();
    const name = `${about.name.slice(0, 200)}.${now.getTime().toString(16)}${Math.floor(this.#random() * 0xffff).toString(16)}`;
    const namespace = about.namespace || 'default';
    try {
      await this.#client.request({
        purpose: { verb: 'create', kind: 'Event', object: `${namespace}/${name}` },
        method: 'POST',
        path: `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/events`,
        body: {
          apiVersion: 'events.k8s.io/v1',
          kind: 'Event',
          metadata: { name, namespace },
          // MicroTime wants six digits of fraction; Date has three.
          eventTime: now.toISOString().replace('Z', '000Z'),
          reportingController: 'consular.dev/consular',
          reportingInstance: this.#instance.slice(0, 128),
          regarding: {
            apiVersion: resource.apiVersion,
            kind: resource.kind,
            namespace: about.namespace,
            name: about.name,
            uid: about.uid,
          },
          type,
          reason,
          action,
          note: escapeControls(note).slice(0, LONGEST_NOTE),
        },
      });
      this.#metrics.events.inc({ outcome: 'written' });
    } catch (error) {
      this.#metrics.events.inc({ outcome: 'failed' });
      // Nobody looks for an Event in a namespace that was deleted.
      this.#log[hasStatus(error, 404) ? 'debug' : 'warn']('Event could not be written', { reason, error });
    }
  }
}
