import { inBackground } from '../../background.ts';
import { sleep } from '../../backoff.ts';
import type { Clock } from '../../clock.ts';
import { explainError, type Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { readSwitch, type Off, type Writes } from '../../writes.ts';
import { followSwitchFile } from './control-file.ts';

export interface SwitchOptions {
  readonly writes: Writes;
  /** Has Consular's own entry say that writes are off; undefined where this process has nothing to say there. */
  readonly lastWord: (off: Off) => Promise<void> | undefined;
  /** What has to be done before anything else may be written; resolves also when writes were switched off again meanwhile. */
  readonly prepare: () => Promise<void>;
  /** Writes are on again: everything has to be looked at. */
  readonly onOn: () => void;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'writesEnabled'>;
  readonly clock: Clock;
  /** Ends what is tried again. */
  readonly signal: AbortSignal;
}

/** After a step failed. */
const RETRY_MS = 1000;

/**
 * Carries out what the sources say of writes, one step after the other:
 *
 * | writes            | what is done                                                                                     |
 * |-------------------|--------------------------------------------------------------------------------------------------|
 * | are switched off  | nothing new is sent; what is on its way ends by itself; the own entry says it, if it can; no more |
 * | are off at first  | nothing at all is written                                                                        |
 * | are switched on   | the fence is taken where this process has not yet, and the own entry; then everything is looked at, and removals pass the guards of a restart |
 *
 * A step that fails is tried again, and until then writes are not on.
 * @returns what keeps writes from being switched on, now
 */
export function carryOutSwitch(options: SwitchOptions): { readonly failures: () => readonly string[] } {
  const { writes, metrics, log, clock, signal } = options;
  let failure: string | undefined;
  let isSettling = false;
  const step = async () => {
    try {
      await (writes.off ? close(options, writes.off) : open(options));
      failure = undefined;
    } catch (error) {
      failure = `switch writes on: ${explainError(error)}`;
      log.error('writes cannot be switched on, will try again', { error });
      await sleep(RETRY_MS, signal, clock);
    }
  };
  const settle = async () => {
    tellMetric();
    if (isSettling) return;
    isSettling = true;
    try {
      while (!signal.aborted && (writes.off ? writes.phase !== 'off' : writes.phase !== 'on')) await step();
    } finally {
      isSettling = false;
    }
    tellMetric();
  };
  const tellMetric = () => metrics.writesEnabled.set(writes.phase === 'on' ? 1 : 0);
  writes.subscribe(() => inBackground(settle()));
  inBackground(settle());
  return { failures: () => (failure === undefined ? [] : [failure]) };
}

/** Up to the first promise it runs at once: where there is no last word, nothing is written from the start. */
async function close({ writes, lastWord, log }: SwitchOptions, off: Off): Promise<void> {
  log.warn('writes are off, nothing is written in either system', { by: off.by.join('; ') });
  try {
    const word = lastWord(off);
    if (word) await word;
  } catch (error) {
    log.warn("Consular's own entry in Consul could not say that writes are off", { error });
  }
  writes.enter('off');
}

async function open({ writes, prepare, onOn, log }: SwitchOptions): Promise<void> {
  writes.enter('opening');
  await prepare();
  if (writes.off) return;
  writes.enter('on');
  try {
    onOn();
  } catch (error) {
    // Nothing is written before everything passes the guards of a restart.
    writes.enter('opening');
    throw error;
  }
  log.info('writes are on again, looking at everything as after a restart');
}

/** The control file as a source of the switch. Resolves when the file was looked at for the first time. */
export function followSwitch(
  writes: Writes,
  file: { readonly path: string; readonly log: Log; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  return new Promise((resolve) => {
    const { path } = file;
    const onSwitch = (state: string | undefined) => {
      const why = readSwitch(state);
      writes.say('control file', why && `control file ${path} ${why}`);
      resolve();
    };
    inBackground(followSwitchFile({ ...file, onSwitch, onFailure: resolve }));
  });
}
