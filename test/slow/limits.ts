import { jest } from '@jest/globals';

// Waits have limits of their own that say what they waited for; this one is for a test that hangs elsewhere.
jest.setTimeout(600_000);

// As in the integration tests: on a machine that is shared with others, a failure must not be one of the machine.
if (process.env.CI === 'true') jest.retryTimes(1, { logErrorsBeforeRetry: true });
