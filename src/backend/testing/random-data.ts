/** Random numbers for tests: seeded, so that a failure can be repeated. */

export class RandomData {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1): mulberry32. */
  uniform(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** Normal with standard deviation 1: Box and Muller. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  normals(count: number, scale = 1): Float64Array {
    return this.#fill(count, () => scale * this.normal());
  }

  uniforms(count: number, low: number, high: number): Float64Array {
    return this.#fill(count, () => low + (high - low) * this.uniform());
  }

  /** Integers in [low, high). */
  integers(count: number, low: number, high: number): Float64Array {
    return this.#fill(count, () => low + Math.floor(this.uniform() * (high - low)));
  }

  #fill(count: number, next: () => number): Float64Array {
    const values = new Float64Array(count);
    for (let i = 0; i < count; i++) values[i] = next();
    return values;
  }
}
