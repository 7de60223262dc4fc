import cities from "city-timezones/data/cityMap.json" with { type: "json" };

/** One of the 7,329 records of the package city-timezones. */
export type City = { city: string; country: string; iso3: string; pop: number };

export const CITIES: readonly City[] = cities;

/** Tells whether a message's data is a record of this data set. */
export function isCity(data: unknown): data is City {
  return typeof data === "object" && data !== null && "iso3" in data && "pop" in data && typeof data.pop === "number";
}

/** `city.<iso3>`: a subject's tokens are of `[A-Za-z0-9_-]`, whatever the data set says. */
export function subjectOf(city: City): string {
  return `city.${city.iso3.replaceAll(/[^\w-]/g, "") || "unknown"}`;
}

/** What the demo keeps as the stream's state: what all cities so far add up to. */
export class Totals {
  #cities = 0;
  #population = 0;
  readonly #countries = new Set<string>();

  static of(all: Iterable<City>): Totals {
    const totals = new Totals();
    for (const city of all) {
      totals.add(city);
    }
    return totals;
  }

  add({ iso3, pop }: City): void {
    this.#cities += 1;
    this.#population += pop;
    this.#countries.add(iso3);
  }

  toJSON(): { cities: number; countries: number; population: number } {
    return { cities: this.#cities, countries: this.#countries.size, population: this.#population };
  }
}
