import { ConfigError, parseConfig, type Environment, type Overrides } from '../../../src/config/load.ts';

/** The configuration of a cluster called prod with these settings. */
export function load(text: string, environment: Environment = {}) {
  return parseConfig(`cluster: prod\n${text}`, environment);
}

/** The problems that the text has, without saying where. */
export function problemsOf(text: string, environment: Environment = {}): readonly string[] {
  return placedProblemsOf(text, environment).map((problem) =>
    problem.replace(/^(line \d+, column \d+|[A-Z_]+|--[a-z-]+): /, ''),
  );
}

/** The problems that the text has, each with its place. */
export function placedProblemsOf(
  text: string,
  environment: Environment = {},
  overrides: Overrides = {},
): readonly string[] {
  try {
    parseConfig(text, environment, 'consular.yaml', overrides);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
