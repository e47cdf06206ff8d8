/**
 * Type-checks programs in one process: each line of input is a JSON array of `tsc`'s arguments, each line of output the
 * JSON string of the diagnostics. The programs share the parsed declarations of the language and of installed packages.
 */

import { createInterface } from "node:readline";
import ts from "../../node/node_modules/typescript/lib/typescript.js";

const shared = new Map();
const isInstalled = (path) => path.includes("/node_modules/");
const format = {
  getCanonicalFileName: (path) => path,
  getCurrentDirectory: () => process.cwd(),
  getNewLine: () => "\n",
};

function check(line) {
  const { options, fileNames, errors } = ts.parseCommandLine(line);
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile;
  host.getSourceFile = (path, ...how) => {
    if (!isInstalled(path) || !path.endsWith(".d.ts")) return read(path, ...how);
    if (!shared.has(path)) shared.set(path, read(path, ...how));
    return shared.get(path);
  };
  const program = ts.createProgram(fileNames, options, host);
  const own = program.getSourceFiles().filter((file) => !isInstalled(file.fileName));
  return [
    ...errors,
    ...program.getConfigFileParsingDiagnostics(),
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...own.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ];
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(ts.formatDiagnostics(check(JSON.parse(line)), format)));
}
