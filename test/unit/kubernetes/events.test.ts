import { describe, expect, it } from '@jest/globals';
import { EventRecorder, type EventReport } from '../../../src/kubernetes/events.ts';
import { createResources } from '../../../src/kubernetes/resources.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { node, pod } from '../builders.ts';
import { settled, TestClock } from '../clock.ts';
import { recordingLog } from '../log.ts';
import { Requester, type Said } from './requester.ts';

const { pods, nodes } = createResources({ annotation: () => true, variable: () => true });
const report: EventReport = { type: 'Warning', reason: 'InvalidPort', action: 'Register', note: 'has no port' };

function stage(answerTo: () => Said | Promise<Said> = () => ({}), mayWrite = () => true) {
  const clock = new TestClock();
  const metrics = createMetrics();
  const { log, records } = recordingLog();
  const client = new Requester(answerTo);
  const recorder = new EventRecorder(client, 'consular-0', log, metrics, clock, () => 0.5, mayWrite);
  const notes = () => client.sent.map(({ body }) => (body as { note: string }).note);
  const outcomes = async () =>
    (await metrics.events.get()).values.map(({ labels, value }) => `${labels.outcome} ${value}`);
  return { client, clock, notes, outcomes, recorder, records };
}

/** A recorder whose first Event is on its way until the test lets it arrive, so that others wait. */
function busy(mayWrite = () => true) {
  let release: (said: Said) => void = () => undefined;
  const first = new Promise<Said>((resolve) => (release = resolve));
  let isFirst = true;
  const whole = stage(() => {
    const said = isFirst ? first : {};
    isFirst = false;
    return said;
  }, mayWrite);
  whole.recorder.report(pods, pod(), { ...report, note: 'first' });
  return { ...whole, release: () => release({}) };
}

describe('while writes are off', () => {
  it('no Event is written, also none that waits, and each is when it is reported again afterwards', async () => {
    const writes = { areOn: true };
    const { recorder, notes, release } = busy(() => writes.areOn);
    recorder.report(pods, pod(), { ...report, note: 'waits' });
    writes.areOn = false;
    release();
    recorder.report(pods, pod(), { ...report, note: 'meanwhile' });
    await settled();
    expect(notes()).toEqual(['first']);
    writes.areOn = true;
    for (const note of ['waits', 'meanwhile']) recorder.report(pods, pod(), { ...report, note });
    await settled();
    expect(notes()).toEqual(['first', 'waits', 'meanwhile']);
  });
});

describe('an Event', () => {
  it('is written beside its object', async () => {
    const { client, outcomes, recorder } = stage();
    recorder.report(pods, pod(), report);
    await settled();
    expect(client.sent).toEqual([
      expect.objectContaining({
        method: 'POST',
        path: '/apis/events.k8s.io/v1/namespaces/shop/events',
        body: {
          apiVersion: 'events.k8s.io/v1',
          kind: 'Event',
          metadata: { name: expect.stringMatching(/^orders-7d4b9c6f5-abcde\.[0-9a-f]+7fff$/), namespace: 'shop' },
          eventTime: '2026-10-20T00:00:00.000000Z',
          reportingController: 'consular.dev/consular',
          reportingInstance: 'consular-0',
          regarding: {
            ...{ apiVersion: 'v1', kind: 'Pod', namespace: 'shop' },
            ...{ name: 'orders-7d4b9c6f5-abcde', uid: 'uid-of-pod' },
          },
          ...report,
        },
      }),
    ]);
    expect(await outcomes()).toEqual(['written 1']);
  });

  it('about an object without a namespace is in the default one', async () => {
    const { client, recorder } = stage();
    recorder.report(nodes, node(), report);
    await settled();
    expect(client.sent[0]?.path).toBe('/apis/events.k8s.io/v1/namespaces/default/events');
  });

  it('has a note that the API server takes', async () => {
    const { notes, recorder } = stage();
    recorder.report(pods, pod(), { ...report, note: `line\n${'x'.repeat(2000)}` });
    await settled();
    expect(notes()[0]).toMatch(/^line\\u000ax+$/);
    expect(notes()[0]).toHaveLength(1024);
  });

  it('that cannot be written is told to the log and to nobody else', async () => {
    const { outcomes, recorder, records } = stage(() => new Error('reset'));
    recorder.report(pods, pod(), report);
    await settled();
    expect(records).toEqual(['warn Event could not be written']);
    expect(await outcomes()).toEqual(['failed 1']);
  });
});

describe('the same words about the same object', () => {
  it('are not repeated for half an hour', async () => {
    const { clock, notes, recorder } = stage();
    recorder.report(pods, pod(), report);
    await clock.advance(30 * 60_000 - 1);
    recorder.report(pods, pod(), report);
    await clock.advance(1);
    expect(notes()).toHaveLength(1);
    recorder.report(pods, pod(), report);
    await settled();
    expect(notes()).toHaveLength(2);
  });

  it.each<[string, Partial<ReturnType<typeof pod>>, Partial<EventReport>]>([
    ['another object', { uid: 'another' }, {}],
    ['another note', {}, { note: 'has no name' }],
    ['another reason', {}, { reason: 'Duplicate' }],
  ])('are not those with %s', async (_, about, said) => {
    const { notes, recorder } = stage();
    recorder.report(pods, pod(), report);
    recorder.report(pods, pod(about), { ...report, ...said });
    await settled();
    expect(notes()).toHaveLength(2);
  });
});

describe('a flood of Events', () => {
  const flood = (recorder: EventRecorder, count: number, isMinor: boolean) => {
    for (let i = 0; i < count; i++) recorder.report(pods, pod(), { ...report, note: `${isMinor} ${i}`, isMinor });
  };

  it('is dropped beyond what may wait, minor ones sooner', async () => {
    const { outcomes, recorder } = busy();
    flood(recorder, 251, true);
    expect(await outcomes()).toEqual(['dropped 1']);
    flood(recorder, 251, false);
    expect(await outcomes()).toEqual(['dropped 2']);
    recorder.stop();
  });

  it('lets minor ones wait for all others', async () => {
    const { notes, recorder, release } = busy();
    flood(recorder, 2, true);
    flood(recorder, 2, false);
    release();
    await settled();
    expect(notes()).toEqual(['first', 'false 0', 'false 1', 'true 0', 'true 1']);
  });

  it('may say again what was dropped', async () => {
    const { outcomes, recorder } = busy();
    flood(recorder, 500, false);
    for (let i = 0; i < 2; i++) recorder.report(pods, pod(), { ...report, note: 'too late' });
    expect(await outcomes()).toEqual(['dropped 2']);
    recorder.stop();
  });
});

it('a recorder that stopped writes nothing more, not even what waited', async () => {
  const { notes, recorder, release } = busy();
  recorder.report(pods, pod(), report);
  recorder.stop();
  recorder.report(pods, pod(), { ...report, note: 'later' });
  release();
  await settled();
  expect(notes()).toEqual(['first']);
});
