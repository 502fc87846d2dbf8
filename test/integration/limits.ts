import { jest } from '@jest/globals';

// Waits have limits of their own that say what they waited for; this one is for a test that hangs elsewhere.
jest.setTimeout(120_000);

// On a machine that is shared with others a test that fails is run once more, and the log says so: a failure there must not
// be one of the machine. On one's own machine a test that passes by chance is to be seen.
if (process.env.CI === 'true') jest.retryTimes(1, { logErrorsBeforeRetry: true });
