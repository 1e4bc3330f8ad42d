/**
 * What the generated passages of this recipe are about: kinds of things, each with a first sentence and facts. A fact has the sentence that states it,
 * the question that it answers, and values, all in Japanese and English. `{name}` is the thing, `{value}` the fact's value.
 */
export type Language = "ja" | "en";
export type Both = Readonly<Record<Language, string>>;

export interface Fact {
  readonly say: Both;
  readonly ask: Both;
  readonly values: readonly Both[];
}

export interface Kind {
  readonly first: Both;
  readonly names: readonly Both[];
  readonly facts: readonly Fact[];
}

const both = (ja: string, en: string): Both => ({ ja, en });
/** `ja | en, ja | en`. */
const list = (text: string): Both[] =>
  text.split(",").map((pair) => {
    const [ja, en] = pair.split("|").map((side) => side.trim());
    return both(ja!, en!);
  });

function fact(say: Both, ask: Both, values: string): Fact {
  return { say, ask, values: list(values) };
}

export const kinds: readonly Kind[] = [
  {
    first: both("{name}は町の小さな店だ。", "{name} is a small shop in our town."),
    names: list(
      "みどり書店 | Midori Books, 青空パン | Aozora Bakery, すずらん食堂 | Suzuran Diner, 山田時計店 | Yamada Watches, 花屋のつぼみ | Tsubomi Flowers",
    ),
    facts: [
      fact(
        both("朝は{value}に開く。", "It opens at {value}."),
        both("{name}は何時に開きますか。", "What time does {name} open?"),
        "七時 | seven, 八時半 | half past eight, 十時 | ten",
      ),
      fact(
        both("定休日は{value}だ。", "It is closed on {value}."),
        both("{name}の定休日はいつですか。", "On which day is {name} closed?"),
        "月曜日 | Monday, 水曜日 | Wednesday, 木曜日 | Thursday",
      ),
      fact(
        both("店主は{value}だ。", "The owner is {value}."),
        both("{name}の店主は誰ですか。", "Who is the owner of {name}?"),
        "森さん | Ms. Mori, 石井さん | Mr. Ishii, 大野さん | Ms. Ono",
      ),
      fact(
        both("店は{value}にある。", "The shop is {value}."),
        both("{name}はどこにありますか。", "Where is {name}?"),
        "駅の北口 | at the north exit of the station, 川沿いの道 | on the road along the river, 市役所の向かい | across from the city hall",
      ),
      fact(
        both("{value}に始まった店だ。", "It was founded in {value}."),
        both("{name}はいつ始まりましたか。", "When was {name} founded?"),
        "1952年 | 1952, 1978年 | 1978, 2004年 | 2004",
      ),
      fact(
        both("支払いは{value}だけだ。", "It takes {value} only."),
        both("{name}では何で払えますか。", "How can I pay at {name}?"),
        "現金 | cash, カード | cards, 電子マネー | electronic money",
      ),
    ],
  },
  {
    first: both("{name}は先月から私たちの課で働いている。", "{name} joined our team last month."),
    names: list("佐藤さん | Ms. Sato, 中村さん | Mr. Nakamura, 小林さん | Ms. Kobayashi, 田口さん | Mr. Taguchi, 藤井さん | Ms. Fujii"),
    facts: [
      fact(
        both("出身は{value}だ。", "{name} comes from {value}."),
        both("{name}の出身はどこですか。", "Where does {name} come from?"),
        "長崎 | Nagasaki, 青森 | Aomori, 金沢 | Kanazawa",
      ),
      fact(
        both("大学では{value}を学んだ。", "{name} studied {value} at university."),
        both("{name}は大学で何を学びましたか。", "What did {name} study at university?"),
        "法律 | law, 化学 | chemistry, 建築 | architecture",
      ),
      fact(
        both("席は{value}だ。", "{name} sits {value}."),
        both("{name}の席はどこですか。", "Where does {name} sit?"),
        "窓のそば | by the window, 三階 | on the third floor, 入り口の近く | near the entrance",
      ),
      fact(
        both("趣味は{value}だ。", "{name} enjoys {value} as a hobby."),
        both("{name}の趣味は何ですか。", "What is the hobby of {name}?"),
        "釣り | fishing, 将棋 | shogi, 写真 | photography",
      ),
      fact(
        both("通勤には{value}を使う。", "{name} comes to work by {value}."),
        both("{name}は何で通勤していますか。", "How does {name} come to work?"),
        "自転車 | bicycle, 地下鉄 | subway, 船 | ferry",
      ),
      fact(
        both("飼っているのは{value}だ。", "{name} has {value} at home."),
        both("{name}は何を飼っていますか。", "What pet does {name} have?"),
        "亀 | a turtle, 白い猫 | a white cat, 犬 | a dog",
      ),
    ],
  },
  {
    first: both("{name}が今年も開かれる。", "{name} will be held again this year."),
    names: list(
      "春の音楽祭 | the Spring Music Festival, 港の朝市 | the Harbor Morning Market, 古本まつり | the Old Book Fair, 町の運動会 | the Town Sports Day, 雪まつり | the Snow Festival",
    ),
    facts: [
      fact(
        both("日は{value}だ。", "The date is {value}."),
        both("{name}はいつですか。", "When is {name}?"),
        "五月三日 | May 3, 九月十日 | September 10, 二月一日 | February 1",
      ),
      fact(
        both("場所は{value}だ。", "The place is {value}."),
        both("{name}の場所はどこですか。", "Where is {name} held?"),
        "中央公園 | Central Park, 市民ホール | the city hall, 小学校の校庭 | the school playground",
      ),
      fact(
        both("入場料は{value}だ。", "The ticket costs {value}."),
        both("{name}の入場料はいくらですか。", "How much is the ticket for {name}?"),
        "三百円 | 300 yen, 千円 | 1000 yen, 五百円 | 500 yen",
      ),
      fact(
        both("雨の場合は{value}。", "In case of rain {value}."),
        both("雨の場合、{name}はどうなりますか。", "What happens to {name} if it rains?"),
        "中止になる | it is canceled, 次の日に延びる | it moves to the next day, 体育館で行う | it moves to the gym",
      ),
      fact(
        both("申し込みは{value}でできる。", "You can sign up by {value}."),
        both("{name}にはどう申し込みますか。", "How can I sign up for {name}?"),
        "電話 | phone, はがき | postcard, メール | e-mail",
      ),
      fact(
        both("去年の来場者は{value}だった。", "Last year {value} people came."),
        both("去年、{name}には何人来ましたか。", "How many people came to {name} last year?"),
        "八百人 | 800, 二千人 | 2000, 五千人 | 5000",
      ),
    ],
  },
  {
    first: both("動物の家に{name}がいる。", "{name} lives at the animal home."),
    names: list("ポチ | Pochi, ミケ | Mike, クロ | Kuro, ハナ | Hana, チビ | Chibi"),
    facts: [
      fact(
        both("年は{value}だ。", "The age is {value}."),
        both("{name}は何歳ですか。", "How old is {name}?"),
        "二歳 | two, 五歳 | five, 九歳 | nine",
      ),
      fact(
        both("毛の色は{value}だ。", "The fur is {value}."),
        both("{name}の毛は何色ですか。", "What color is the fur of {name}?"),
        "茶色 | brown, 黒 | black, 灰色 | gray",
      ),
      fact(
        both("好きな食べ物は{value}だ。", "The favorite food is {value}."),
        both("{name}の好きな食べ物は何ですか。", "What is the favorite food of {name}?"),
        "鶏肉 | chicken, かぼちゃ | pumpkin, 魚 | fish",
      ),
      fact(
        both("苦手なものは{value}だ。", "The one thing it fears is {value}."),
        both("{name}は何が苦手ですか。", "What does {name} fear?"),
        "雷 | thunder, 水 | water, 大きな車 | big cars",
      ),
      fact(
        both("見つかった場所は{value}だ。", "It was found {value}."),
        both("{name}はどこで見つかりましたか。", "Where was {name} found?"),
        "橋の下 | under a bridge, 神社 | at a shrine, 畑の中 | in a field",
      ),
      fact(
        both("体重は{value}だ。", "The weight is {value}."),
        both("{name}の体重はどのくらいですか。", "How much does {name} weigh?"),
        "四キロ | four kilos, 八キロ | eight kilos, 十二キロ | twelve kilos",
      ),
    ],
  },
  {
    first: both("{name}は朝から夜まで走っている。", "{name} runs from morning till night."),
    names: list(
      "海岸線 | the Coast Line, 山手バス | the Hill Bus, 三号線 | Line Three, 空港バス | the Airport Bus, 島の船 | the Island Ferry",
    ),
    facts: [
      fact(
        both("始発は{value}だ。", "The first one leaves at {value}."),
        both("{name}の始発は何時ですか。", "When does the first run of {name} leave?"),
        "五時十分 | 5:10, 六時 | 6:00, 六時四十分 | 6:40",
      ),
      fact(
        both("料金は{value}だ。", "The fare is {value}."),
        both("{name}の料金はいくらですか。", "What is the fare of {name}?"),
        "二百円 | 200 yen, 四百五十円 | 450 yen, 九百円 | 900 yen",
      ),
      fact(
        both("終点は{value}だ。", "The last stop is {value}."),
        both("{name}の終点はどこですか。", "What is the last stop of {name}?"),
        "灯台前 | the lighthouse, 大学病院 | the university hospital, 温泉町 | the hot spring town",
      ),
      fact(
        both("車内では{value}が禁止だ。", "On board {value} is forbidden."),
        both("{name}では何が禁止ですか。", "What is forbidden on {name}?"),
        "飲食 | eating, 通話 | phoning, 喫煙 | smoking",
      ),
      fact(
        both("{value}おきに出る。", "It leaves every {value}."),
        both("{name}は何分おきに出ますか。", "How often does {name} leave?"),
        "十分 | ten minutes, 二十分 | twenty minutes, 三十分 | thirty minutes",
      ),
      fact(
        both("色は{value}だ。", "It is painted {value}."),
        both("{name}は何色ですか。", "What color is {name}?"),
        "緑 | green, 赤 | red, 青と白 | blue and white",
      ),
    ],
  },
  {
    first: both("{name}は図書館で人気がある。", "{name} is popular at the library."),
    names: list(
      "「白い灯台」 | The White Lighthouse, 「冬の手紙」 | Winter Letters, 「石の庭」 | The Stone Garden, 「夜の汽車」 | The Night Train, 「七つの橋」 | Seven Bridges",
    ),
    facts: [
      fact(
        both("書いたのは{value}だ。", "It was written by {value}."),
        both("{name}を書いたのは誰ですか。", "Who wrote {name}?"),
        "木村明 | Akira Kimura, 岡田春子 | Haruko Okada, 林健 | Ken Hayashi",
      ),
      fact(
        both("話の舞台は{value}だ。", "The story takes place {value}."),
        both("{name}の舞台はどこですか。", "Where does the story of {name} take place?"),
        "北の島 | on a northern island, 古い学校 | in an old school, 港町 | in a harbor town",
      ),
      fact(
        both("長さは{value}だ。", "It has {value}."),
        both("{name}は何ページありますか。", "How many pages does {name} have?"),
        "百二十ページ | 120 pages, 三百ページ | 300 pages, 四百五十ページ | 450 pages",
      ),
      fact(
        both("主人公は{value}だ。", "The main character is {value}."),
        both("{name}の主人公は誰ですか。", "Who is the main character of {name}?"),
        "若い医者 | a young doctor, 年老いた漁師 | an old fisherman, 双子の姉妹 | twin sisters",
      ),
      fact(
        both("値段は{value}だ。", "The price is {value}."),
        both("{name}の値段はいくらですか。", "How much does {name} cost?"),
        "八百円 | 800 yen, 千五百円 | 1500 yen, 二千円 | 2000 yen",
      ),
      fact(
        both("出たのは{value}だ。", "It came out in {value}."),
        both("{name}はいつ出ましたか。", "When did {name} come out?"),
        "1966年 | 1966, 1989年 | 1989, 2015年 | 2015",
      ),
    ],
  },
  {
    first: both("{name}に空いた部屋がある。", "There is a free room at {name}."),
    names: list(
      "青葉荘 | Aoba House, 川辺マンション | Kawabe Court, 丘の家 | Hill House, 第二山本ビル | Yamamoto Building Two, 松の木荘 | Pine House",
    ),
    facts: [
      fact(
        both("家賃は{value}だ。", "The rent is {value}."),
        both("{name}の家賃はいくらですか。", "How much is the rent at {name}?"),
        "五万円 | 50000 yen, 七万円 | 70000 yen, 九万円 | 90000 yen",
      ),
      fact(
        both("部屋は{value}だ。", "The room is {value}."),
        both("{name}の部屋は何階ですか。", "On which floor is the room at {name}?"),
        "一階 | on the first floor, 四階 | on the fourth floor, 最上階 | on the top floor",
      ),
      fact(
        both("駅から{value}かかる。", "It is {value} from the station."),
        both("{name}は駅からどのくらいですか。", "How far is {name} from the station?"),
        "歩いて五分 | five minutes on foot, 歩いて十五分 | fifteen minutes on foot, バスで十分 | ten minutes by bus",
      ),
      fact(
        both("窓は{value}を向いている。", "The windows face {value}."),
        both("{name}の窓はどちらを向いていますか。", "Which way do the windows of {name} face?"),
        "南 | south, 東 | east, 海 | the sea",
      ),
      fact(
        both("建てられたのは{value}だ。", "It was built in {value}."),
        both("{name}はいつ建てられましたか。", "When was {name} built?"),
        "1971年 | 1971, 1995年 | 1995, 2018年 | 2018",
      ),
      fact(
        both("大家は{value}だ。", "The landlord is {value}."),
        both("{name}の大家は誰ですか。", "Who is the landlord of {name}?"),
        "高木さん | Mr. Takagi, 西田さん | Ms. Nishida, 原さん | Mr. Hara",
      ),
    ],
  },
];
