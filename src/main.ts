/** The bundle's entry: runs the command line and ends with its exit code. Everything else is in cli/. */
import { main } from './cli/main.ts';

await main(process.argv.slice(2));
