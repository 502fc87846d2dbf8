import { inBackground } from '../../background.ts';
import type { Clock } from '../../clock.ts';
import { ConfigError, saysWritesOff } from '../../config/load.ts';
import type { LiveConfig } from '../../config/live.ts';
import type { Config } from '../../config/schema.ts';
import { explainError, type Log } from '../../observability/log.ts';
import { followFile } from './follow-file.ts';

/** The file that the daemon was started with. */
export interface ConfigFile {
  readonly path: string;
  readonly live: LiveConfig;
  /** @throws ConfigError with every problem at once */
  readonly parse: (text: string) => Config;
}

export interface ConfigFileOptions {
  readonly file: ConfigFile;
  /** Told which settings are others now. */
  readonly onChanged: (settings: readonly string[]) => void;
  /** What is to be told people is another thing than before. */
  readonly onTold: () => void;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** With two looks that find the same, a change counts within 1 s and a bit. */
const LOOK_MS = 500;
const LONGEST_BYTES = 1024 * 1024;

/** Something that a person has to do about the configuration. */
export interface ConfigTrouble {
  readonly reason: 'ConfigurationRefused' | 'RestartNeeded';
  readonly message: string;
}

/**
 * Follows the configuration file. What is safe to change counts at once; of anything else it is told that it needs a restart, and
 * of a file that is refused, because it is not valid or another cluster's, that the settings of before go on: all but `writes: off`,
 * which counts in any file.
 */
export class FollowedConfig {
  #refusal: string | undefined;
  #needRestart: readonly string[] = [];
  readonly #path: string;

  constructor(options: ConfigFileOptions) {
    const { file, log, clock, signal } = options;
    this.#path = file.path;
    inBackground(
      followFile({
        ...{
          path: file.path,
          what: 'configuration',
          longestBytes: LONGEST_BYTES,
          lookMs: LOOK_MS,
          mayBeHalf: () => true,
        },
        ...{ signal, clock },
        onText: (text) => this.#take(options, text),
        onFailure: (error) => {
          this.#refusal = explainRefusal(error);
          log.warn('the configuration is refused, the settings of before go on', { path: file.path, error });
          options.onTold();
        },
      }),
    );
  }

  /** What people have to know, in words. */
  get troubles(): readonly ConfigTrouble[] {
    const { length } = this.#needRestart;
    return [
      ...(this.#refusal === undefined
        ? []
        : [
            {
              reason: 'ConfigurationRefused' as const,
              message: `${this.#path} is refused, and the settings of before go on: ${this.#refusal}`,
            },
          ]),
      ...(length === 0
        ? []
        : [
            {
              reason: 'RestartNeeded' as const,
              message: `${this.#path}: ${this.#needRestart.join(', ')} ${length === 1 ? 'was' : 'were'} changed, which needs a restart`,
            },
          ]),
    ];
  }

  /** For /status. */
  get status() {
    return { file: this.#path, refused: this.#refusal ?? null, needRestart: this.#needRestart };
  }

  /** @throws Error when it is not there, ConfigError when it is not valid, OtherCluster when it was written for another daemon */
  #take(options: ConfigFileOptions, text: string | undefined): void {
    const { file, onChanged, onTold, log } = options;
    if (text === undefined) throw new Error(`read configuration ${file.path}: expected a file, found none`);
    const { changed, needRestart } = takeOrSwitchOff(options, text);
    const isNews = this.#refusal !== undefined || needRestart.join() !== this.#needRestart.join();
    this.#refusal = undefined;
    this.#needRestart = needRestart;
    if (changed.length > 0) {
      log.info('settings were changed', { path: file.path, settings: changed.join(', ') });
      onChanged(changed);
    }
    if (!isNews) return;
    if (needRestart.length > 0)
      log.warn('settings were changed that need a restart', { path: file.path, settings: needRestart.join(', ') });
    onTold();
  }
}

/** Of a file that is refused counts that writes are off, and nothing else. @throws what `#take` throws */
function takeOrSwitchOff({ file, onChanged, log }: ConfigFileOptions, text: string) {
  try {
    return file.live.take(file.parse(text));
  } catch (error) {
    if (saysWritesOff(text) && file.live.switchOff()) {
      log.warn('writes are off, although the rest of the configuration is refused', { path: file.path });
      onChanged(['writes']);
    }
    throw error;
  }
}

function explainRefusal(error: unknown): string {
  return error instanceof ConfigError ? error.problems.join('; ') : explainError(error);
}
