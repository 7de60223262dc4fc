/** A run of the tests is green only when every test file that it was to run has told how each of its tests ended. */
import type { Plugin } from "vitest/config";
import type { Reporter, TestModule, TestSpecification, Vitest } from "vitest/node";

/**
 * A plugin that makes a run fail, whatever reporters it was given, and says of which files and tests it has no result.
 * Vitest alone does not count a file that its worker never told of, and says of no file that did not end.
 */
export function completeRun(): Plugin {
  return {
    name: "complete-run",
    configureVitest({ vitest }) {
      const { reporters } = vitest.config;
      if (!reporters.some((reporter) => reporter instanceof CompleteRun)) {
        reporters.push(new CompleteRun());
      }
    },
  };
}

class CompleteRun implements Reporter {
  #vitest: Vitest | undefined;
  #specifications: readonly TestSpecification[] = [];
  /** How many tests each file told of when it was collected. */
  readonly #collected = new Map<string, number>();

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunStart(specifications: readonly TestSpecification[]): void {
    this.#specifications = specifications;
    this.#collected.clear();
  }

  onTestModuleCollected(module: TestModule): void {
    this.#collected.set(module.id, countOf(module.children.allTests()));
  }

  onTestRunEnd(_modules: unknown, _errors: unknown, reason: "passed" | "failed" | "interrupted"): void {
    if (reason === "interrupted") {
      return;
    }
    const faults = this.#specifications.flatMap((specification) => {
      const fault = this.#faultOf(specification.testModule);
      return fault === undefined ? [] : [`${specification.project.name} ${specification.moduleId}: ${fault}`];
    });
    if (faults.length > 0) {
      process.exitCode = 1;
      this.#vitest?.logger.error(`\nThe run is not complete. Files without all their results:\n${faults.join("\n")}\n`);
    }
  }

  #faultOf(module: TestModule | undefined): string | undefined {
    if (module === undefined) {
      return "it was never begun";
    }
    const state = module.state();
    if (state === "queued" || state === "pending") {
      return `it did not end (${state})`;
    }
    const unknown = countOf(module.children.allTests("pending"));
    const lost = (this.#collected.get(module.id) ?? 0) - countOf(module.children.allTests());
    return unknown + lost === 0 ? undefined : `${unknown} of its tests did not end, ${lost} are not known any more`;
  }
}

function countOf(values: Iterable<unknown>): number {
  return [...values].length;
}
