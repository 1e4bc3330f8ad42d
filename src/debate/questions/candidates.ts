/** Which passage is asked about next, and for which goal: the goal that has fewest questions first, no passage twice while others wait. */
import type { Passage } from "../../engine/open-passages.ts";
import { type Goal, passagesFor } from "./goal.ts";

export interface Candidate {
  readonly goal: Goal;
  readonly passage: Passage;
}

export class Candidates {
  readonly #queues: ReadonlyMap<Goal, Passage[]>;
  readonly #used = new Set<Passage>();

  constructor(goals: readonly Goal[], passages: readonly Passage[]) {
    this.#queues = new Map(goals.map((goal) => [goal, passagesFor(goal, passages)]));
  }

  /** @param keptOf questions that a goal has  @returns at most `wanted`; none when every passage was tried */
  next(wanted: number, keptOf: (goal: Goal) => number): Candidate[] {
    const batch: Candidate[] = [];
    const load = (goal: Goal) => keptOf(goal) + batch.filter((each) => each.goal === goal).length;
    while (batch.length < wanted) {
      const [goal] = [...this.#queues]
        .filter(([, queue]) => queue.length > 0)
        .map(([each]) => each)
        .sort((a, b) => load(a) - load(b));
      if (!goal) return batch;
      const queue = this.#queues.get(goal)!;
      const fresh = queue.findIndex((passage) => !this.#used.has(passage));
      const [passage] = queue.splice(Math.max(0, fresh), 1);
      this.#used.add(passage!);
      batch.push({ goal, passage: passage! });
    }
    return batch;
  }
}
