import { inBackground } from '../../background.ts';
import { systemClock } from '../../clock.ts';
import type { Log } from '../../observability/log.ts';
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
}

/**
 * Carries out what the sources say of writes, one step after the other:
 *
 * | writes            | what is done                                                                                     |
 * |-------------------|--------------------------------------------------------------------------------------------------|
 * | are switched off  | nothing new is sent; what is on its way ends by itself; the own entry says it, if it can; no more |
 * | are off at first  | nothing at all is written                                                                        |
 * | are switched on   | the fence is taken where this process has not yet, and the own entry; then everything is looked at, and removals pass the guards of a restart |
 */
export function carryOutSwitch(options: SwitchOptions): void {
  const { writes, metrics } = options;
  let isSettling = false;
  const settle = async () => {
    metrics.writesEnabled.set(writes.off ? 0 : 1);
    if (isSettling) return;
    isSettling = true;
    while (writes.off ? writes.phase !== 'off' : writes.phase !== 'on')
      await (writes.off ? close(options, writes.off) : open(options));
    isSettling = false;
    metrics.writesEnabled.set(writes.off ? 0 : 1);
  };
  writes.subscribe(() => inBackground(settle()));
  inBackground(settle());
}

/** Up to the first promise it runs at once: where there is no last word, nothing is written from the start. */
async function close({ writes, lastWord, log }: SwitchOptions, off: Off): Promise<void> {
  log.warn('writes are off, nothing is written in either system', { by: off.by.join('; ') });
  const word = lastWord(off);
  try {
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
  log.info('writes are on again, looking at everything as after a restart');
  onOn();
}

/** The control file as a source of the switch. Resolves when the file was looked at for the first time. */
export function followSwitch(
  writes: Writes,
  { path, log, signal }: { readonly path: string; readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  return new Promise((resolve) => {
    const onSwitch = (state: string | undefined) => {
      const why = readSwitch(state);
      writes.say('control file', why && `control file ${path} ${why}`);
      resolve();
    };
    inBackground(followSwitchFile({ path, onSwitch, onFailure: resolve, log, clock: systemClock, signal }));
  });
}

/** For people: since when, and who says so. */
export function describeOff({ since, by }: Off): string {
  return `writes are off since ${since.toISOString()}, by ${by.join(' and by ')}`;
}
