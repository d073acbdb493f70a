use super::*;

#[test]
fn the_shape_of_e164() {
    for good in ["+1234567", "+12025550123", "+123456789012345"] {
        assert_eq!(good.parse::<E164>().expect(good).to_string(), good);
    }
    let bad = [
        "",
        "+",
        "1",
        "12025550123",
        "+123456",
        "+1234567890123456",
        "+02025550123",
        "++12025550123",
        "+1202555O123",
        "+1 2025550123",
        "+12025550123\n",
        "+١٢٣٤٥٦٧٨",
        "+１２３４５６７８",
    ];
    for text in bad {
        assert_eq!(text.parse::<E164>(), Err(InvalidE164), "{text:?}");
    }
}

#[test]
fn a_masked_number_hides_five_digits_at_least() {
    for (full, masked) in [
        ("+12025550123", "+1202•••••23"),
        ("+442079460018", "+4420••••••18"),
        ("+6834123", "+•••••23"),
        ("+12345678", "+1•••••78"),
        ("+123456789012345", "+1234•••••••••45"),
    ] {
        let number: E164 = full.parse().expect(full);
        assert_eq!(number.masked(), masked);
        assert_eq!(format!("{number:?} {:?}", Some(number)), format!("{masked} Some({masked})"));
    }
}

#[test]
fn numbers_are_ordered_and_written_as_their_texts() {
    let mut texts = ["+12025550123", "+1202555012", "+442079460018", "+1202555012345", "+99999999"];
    let mut numbers = texts.map(|text| text.parse::<E164>().expect(text));
    texts.sort_unstable();
    numbers.sort_unstable();
    assert_eq!(numbers.map(|number| number.to_string()), texts);
    let json = serde_json::to_string(&numbers[0]).expect("a text");
    assert_eq!(json, "\"+1202555012\"");
    assert_eq!(serde_json::from_str::<E164>(&json).expect("the same"), numbers[0]);
    let error = serde_json::from_str::<E164>("\"2025550123\"").expect_err("no plus").to_string();
    assert!(!error.contains("202"), "{error}");
}

#[test]
fn regions() {
    const GB: RegionCode = RegionCode::literal("GB");
    assert_eq!("GB".parse(), Ok(GB));
    assert_eq!("001".parse(), Ok(RegionCode::WORLD));
    assert!(RegionCode::WORLD.is_world() && !GB.is_world());
    assert_eq!(format!("{GB} {GB:?} {}", RegionCode::WORLD), "GB GB 001");
    for text in ["", "G", "gb", "GBR", "G1", "002", "ÄÖ", "Ä"] {
        assert_eq!(text.parse::<RegionCode>(), Err(InvalidRegion), "{text}");
    }
    assert_eq!(serde_json::from_str::<RegionCode>("\"001\"").expect("a region"), RegionCode::WORLD);
}

#[test]
fn classes_are_written_alike_everywhere() {
    for class in NumberClass::ALL {
        assert_eq!(class.as_str().parse(), Ok(class));
        assert_eq!(serde_json::to_string(&class).expect("a text"), format!("\"{class}\""));
    }
    assert_eq!("Premium".parse::<NumberClass>(), Err(InvalidClass));
    let names = NumberClass::ALL.map(NumberClass::as_str).join(", ");
    assert_eq!(InvalidClass.to_string(), format!("not a kind of number; the kinds are {names}"));
    let ordinary: Vec<_> = NumberClass::ALL.into_iter().filter(|class| class.is_ordinary()).collect();
    assert_eq!(
        ordinary,
        [
            NumberClass::Geographic,
            NumberClass::Mobile,
            NumberClass::GeographicOrMobile,
            NumberClass::TollFree,
            NumberClass::Voip
        ]
    );
}
