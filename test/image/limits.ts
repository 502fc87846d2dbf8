import { jest } from '@jest/globals';

// Building the image takes most of it; waits have limits of their own that say what they waited for.
jest.setTimeout(900_000);
