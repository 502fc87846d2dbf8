import { jest } from '@jest/globals';

// Waits have limits of their own that say what they waited for; this one is for a test that hangs elsewhere.
jest.setTimeout(300_000);
