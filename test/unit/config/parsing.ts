import { ConfigError, parseConfig, type Environment } from '../../../src/config/load.ts';

/** The configuration of a cluster called prod with these settings. */
export function load(text: string, environment: Environment = {}) {
  return parseConfig(`cluster: prod\n${text}`, environment);
}

/** The problems that the text has. */
export function problemsOf(text: string, environment: Environment = {}): readonly string[] {
  try {
    parseConfig(text, environment, 'consular.yaml');
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
