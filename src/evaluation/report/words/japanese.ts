/** The page's own words in Japanese. */
import type { ReportWords } from "./english.ts";

export const JAPANESE: ReportWords = {
  // ---- head ----
  toQuestions: "質問へ移動",
  counts: (questions, variants) => `質問 ${questions} 件、構成 ${variants} 件`,
  translatedBy: (translator) => `翻訳：${translator}`,
  variant: "構成",
  variantParts({ model, adapter, index, price }) {
    const cost = price ? `、100 万トークン当たり入力 $${price.prompt}、出力 $${price.answer}` : "";
    return `${model}${adapter ? `、アダプター ${adapter}` : ""}${index ? `、${index} の文書を使用` : ""}${cost}`;
  },

  // ---- summary ----
  whatHelped: "何が役に立ったか",
  oneVariant: "構成が一つだけなので、比べるものがありません。",
  figures: "指標",
  figuresHint: (baseline) =>
    `質問全体の平均と 95% 区間です。▲ と ▼ は、質問ごとに比べて、${baseline} との差が偶然とは考えにくいことを示します。`,
  figuresTable: "構成ごとの指標",
  higherThan: (baseline) => `${baseline} より高い`,
  lowerThan: (baseline) => `${baseline} より低い`,
  silence: {
    title: "答えたかどうか",
    hint: (judge) =>
      `答えないことは、答えのない質問では正しく、答えのある質問では誤りです。${judge === undefined ? "" : `答えかどうかは ${judge} が判断しました。`}「答えたときの正しさ」は、答えのある質問に答えたものの F1 の平均です。`,
    table: "構成ごとの、答えた数と答えなかった数",
    answeredAnswerable: "答えた（答えのある質問）",
    answeredUnanswerable: "答えた（答えのない質問）",
    refusedAnswerable: "答えず（答えのある質問）",
    refusedUnanswerable: "答えず（答えのない質問）",
    unmarked: "答えの有無の指定なし：答えた / 答えず",
    noAnswer: "答えなし",
    rightWhenAnswered: "答えたときの正しさ",
  },

  // ---- judge, earlier run, what is missing ----
  judge: {
    title: "一対比較による判定",
    hint: (judge, counted, unread) =>
      `判定者は ${judge} です。名前を伏せ、位置を入れ替えて、どの組も二度ずつ比べました。集計したのは ${counted} 組です${unread > 0 ? `（ほかに、判定を読み取れなかったものが ${unread} 組）` : ""}。400 点の差は 10 対 1 のオッズに当たります。`,
    table: "判定による強さ",
    points: "点",
    interval: "95% 区間",
    range: (low, high) => `${low} ～ ${high}`,
    shareWon: "勝率（引き分けは半分）",
    pairs: "組数",
  },
  changes: {
    title: (run) => `「${run}」との比較`,
    hint: (when) => `両方で尋ねた質問を対にして比べています。前回の日時：${when}。`,
    table: "前回からの変化",
    figure: "指標",
    before: "前回",
    now: "今回",
    change: "変化",
    better: "改善",
    worse: "悪化",
    higher: "増加",
    lower: "減少",
    cannotTell: "判断できません",
  },
  unread: {
    title: "読めなかった文書",
    hint: "文書を使う構成が、根拠にできなかったものです。",
    oldText: "（以前に読んだ内容は索引に残っています）",
    tried: (when) => `。試した日時：${when}。`,
  },
  problems: {
    title: "うまくいかなかったもの",
    row: (file, row, problem) => `${file} の ${row} 行目：${problem}。除外しました。`,
    answer: (variant, id, problem) => `${variant}、質問 ${id}：${problem}`,
    pair: (a, b, id, problem) => `${a} と ${b}、質問 ${id}（集計外）：${problem}`,
    silence: (variant, id, problem) => `${variant}、質問 ${id}（答えたかどうかは語句で判断）：${problem}`,
    translation: (text, problem) => `翻訳なし：「${text}」：${problem}`,
  },
  howMade: "このレポートの作成条件",

  // ---- questions ----
  questions: "質問",
  filters: {
    title: "質問の絞り込み",
    search: "検索",
    show: "表示",
    all: "すべて",
    differs: "答えが異なるもの",
    silent: "答えのないもの",
    viewed: "評価やメモを付けたもの",
    category: "カテゴリ",
    order: "並び順",
    asked: "質問順",
    worst: "F1 の低い順",
    save: "評価とメモを保存…",
    shown: "{all} 問中 {shown} 問を表示",
  },
  question: (number) => `質問 ${number}`,
  hasNoAnswer: "答えのない質問",
  reference: "参照解答：",
  oldAnswer: "以前の答え",
  judged: "判定：",
  pairProblem: (a, b, problem) => `${a} と ${b}：${problem}`,
  tie: (a, b) => `${a} と ${b} は引き分け`,
  wins: (winner, loser) => `${winner} が ${loser} に勝ち`,
  notAsked: "まだ尋ねていません。",
  failed: (problem) => `失敗：${problem}`,
  kinds: { answered: "答えた", refused: "わからないという答え", empty: "空の答え", "ended at once": "すぐに終わった答え" },
  grounded: (share) => `根拠 ${share}`,
  nothing: "（なし）",
  unsupportedNumbers: "出典にない数字：",
  yourView: (variant) => `${variant} へのあなたの評価`,
  goodAnswer: "良い答え",
  badAnswer: "悪い答え",
  note: "メモ",
  noteOn: (variant) => `${variant} へのメモ`,
  sources: (count) => `出典 ${count} 件`,
  machineTranslation: "（機械翻訳）",
};
