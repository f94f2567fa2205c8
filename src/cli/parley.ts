#!/usr/bin/env node
import { Failure } from '../failure.ts';
import { StartError } from '../storage/start-error.ts';
import { program } from './program.ts';

try {
  await program().parseAsync();
} catch (error) {
  if (!(error instanceof Failure || error instanceof StartError)) throw error;
  process.stderr.write(`parley: ${error.message}\n`);
  process.exitCode = 1;
}
