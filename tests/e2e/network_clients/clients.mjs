// Browser clients behind a network that dies, told what to do by lines of JSON: `population.py` says what.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const plan = JSON.parse(process.argv[2]);
const { name, url, count, subscribers, listeners, channel, inbox, live, deadline, module, packages } = plan;
const { connect } = await import(module);
const { WebSocket } = createRequire(packages)("ws");

class Caller {
  unanswered = 0;
  #told = () => {};

  constructor(number) {
    this.name = `${name}/${number}`;
    this.isSubscriber = number < subscribers || number >= count;
    this.report = { answers: [], published: [], failures: [], numbers: [], scores: [], resyncs: 0, silence: 0 };
  }

  async open() {
    this.client = await connect(url, { WebSocket });
    if (!this.isSubscriber) return;
    const [numbers, scores] = [this.client.subscribe(channel), this.client.subscribe(live)];
    await Promise.all([numbers.ready(), scores.ready()]);
    let heardAt = Infinity;
    this.#follow(numbers, ({ data, isResync }) => {
      const now = performance.now();
      this.report.silence = Math.max(this.report.silence, (now - heardAt) / 1000);
      heardAt = now;
      this.report.numbers.push(data);
      this.report.resyncs += isResync ? 1 : 0;
    });
    this.#follow(scores, ({ data }) => this.report.scores.push(...data.map(({ score }) => score)));
  }

  async #follow(subscription, take) {
    try {
      for await (const update of subscription) {
        take(update);
        this.#told();
      }
    } catch (error) {
      if (error.code !== "closed") this.report.failures.push(String(error));
    }
  }

  ask(round, questions) {
    for (const params of questions) {
      const asked = this.client.request("synthetic", params, { deadline });
      this.#await(asked, ({ data }) => this.report.answers.push([params.seed, data]));
    }
    const from = `${this.name}/${round}`;
    this.#await(this.client.publish(inbox, from, { deadline }), (position) => this.report.published.push([from, position]));
  }

  async #await(asked, take) {
    this.unanswered += 1;
    try {
      take(await asked);
    } catch (error) {
      this.report.failures.push(String(error));
    }
    this.unanswered -= 1;
    this.#told();
  }

  async until(isSo) {
    while (!isSo()) await new Promise((told) => (this.#told = told));
  }

  begun(seed) {
    return this.until(() => this.report.answers.some(([answered]) => answered === seed));
  }

  settled() {
    return this.until(() => !this.unanswered);
  }

  heard(number, score) {
    const { numbers, scores } = this.report;
    return this.until(() => !this.isSubscriber || (numbers.at(-1) === number && scores.at(-1) === score));
  }
}

const callers = Array.from({ length: count + listeners }, (_, number) => new Caller(number));
const asking = callers.slice(0, count);
const each = (act, of = callers) => Promise.all(of.map(act));

const commands = {
  open: () => each((caller) => caller.open()).then(() => null),
  ask: ({ round, questions }) => asking.forEach((caller, number) => caller.ask(round, questions[number])),
  begun: ({ seed }) => each((caller) => caller.begun(seed), asking).then(() => null),
  unanswered: () => callers.reduce((sum, caller) => sum + caller.unanswered, 0),
  settled: () => each((caller) => caller.settled()).then(() => null),
  async report({ number, score, seconds }) {
    const isOver = new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    await Promise.race([isOver, each((caller) => caller.heard(number, score))]);
    return callers.map(({ report }) => report);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...fields } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify((await commands[command](fields)) ?? null)}\n`);
}
process.exit(0);
